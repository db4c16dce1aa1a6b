"""All results of a batch in one table: CSV, JSON lines, or Parquet."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import anyio

from asyncscribe.batch.journal.records import Entry
from asyncscribe.batch.stored_outputs import StoreOutputs
from asyncscribe.errors import ConfigurationError

#: The columns, in this order; new ones are only added at the end.
COLUMNS = ("name", "source", "status", "transcript_id", "submissions", "audio_seconds", "reason", "text")

#: Rows that are written to a Parquet file at once.
ROWS = 1_000


#: Texts that are read at once: from a store, each takes a round trip.
READS = 32

#: What begins a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class TableFormat(StrEnum):
    """What a table is written as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


#: Gives the content of a file of the output, by its name with the format; None if there is none.
Reader = Callable[[str], Awaitable[str | None]]


async def rows(entries: AsyncIterator[Entry], read: Reader) -> AsyncIterator[dict[str, Any]]:
    """A row for each recording, with its text from the output, or None; a few texts are read at once."""
    async for some in _chunks(entries, READS):
        texts = dict[int, str | None]()

        async def fill(number: int, name: str, texts: dict[int, str | None] = texts) -> None:
            texts[number] = await _text(read, name)

        async with anyio.create_task_group() as group:
            for number, entry in enumerate(some):
                if entry.written:
                    group.start_soon(fill, number, entry.recording.name)
        for number, entry in enumerate(some):
            yield _row(entry, texts.get(number))


async def _chunks(entries: AsyncIterator[Entry], size: int) -> AsyncIterator[list[Entry]]:
    some: list[Entry] = []
    async for entry in entries:
        some.append(entry)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _row(entry: Entry, text: str | None) -> dict[str, Any]:
    job = entry.job
    return {
        "name": entry.recording.name,
        "source": entry.recording.source,
        "status": entry.status,
        "transcript_id": job.ids[-1] if job and job.ids else None,
        "submissions": len(job.ids) if job else 0,
        "audio_seconds": job.audio_seconds if job else None,
        "reason": entry.reason,
        "text": text,
    }


async def write_lines(table: AsyncIterator[dict[str, Any]], form: TableFormat, file: IO[str]) -> int:
    """Write CSV or JSON lines and return the number of rows."""
    count = 0
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    if form is TableFormat.CSV:
        writer.writeheader()
    async for row in table:
        if form is TableFormat.CSV:
            writer.writerow({name: _as_text(value) for name, value in row.items()})
        else:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


async def write_parquet(table: AsyncIterator[dict[str, Any]], path: Path) -> int:
    """Write a Parquet file and return the number of rows.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigurationError("Parquet needs pyarrow: pip install 'asyncscribe[parquet]'") from error
    text, number = pyarrow.string(), pyarrow.float64()
    types = {"submissions": pyarrow.int64(), "audio_seconds": number}
    schema = pyarrow.schema([(column, types.get(column, text)) for column in COLUMNS])
    count, some = 0, list[dict[str, Any]]()
    with parquet.ParquetWriter(path, schema) as writer:
        async for row in table:
            some.append(row)
            count += 1
            if len(some) == ROWS:
                writer.write_table(pyarrow.Table.from_pylist(some, schema))
                some.clear()
        writer.write_table(pyarrow.Table.from_pylist(some, schema))
    return count


def _as_text(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text can say anything."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def in_folder(output: Path) -> Reader:
    """Reads from the output folder."""

    def blocking(name: str) -> str | None:
        try:
            return (output / name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    async def read(name: str) -> str | None:
        return await asyncio.get_running_loop().run_in_executor(None, blocking, name)

    return read


def in_store(address: str) -> Reader:
    """Reads from the output in an object store.

    Raises:
        ConfigurationError: obstore is not installed, or the address can't be used.
    """
    outputs = StoreOutputs(address, ())
    return outputs.read


async def _text(read: Reader, name: str) -> str | None:
    for suffix in ("json", "text", "txt"):
        content = await read(f"{name}.{suffix}")
        if content is None:
            continue
        if suffix != "json":
            return content.strip()
        try:
            text = json.loads(content).get("text")
        except (ValueError, AttributeError):
            continue
        return text if isinstance(text, str) else None
    return None

"""The service's documents in the output of a batch: each names its transcript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.stored_outputs import StoreOutputs
from asyncscribe.models.transcript import TranscriptId

#: Documents that are read from a store at once.
AT_ONCE = 32
SUFFIX = ".json"
#: Stores tell the time of an object in whole seconds: it was written up to so much later.
RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the service's in the output.

    Attributes:
        id: Its transcript.
        seconds: Length of the audio.
        written: When it was written.
    """

    id: TranscriptId
    seconds: float | None
    written: datetime


async def documents_in(output: str | Path) -> dict[str, Document]:
    """All documents in an output folder, or below a prefix of an object store, by the name of their recording.

    Raises:
        ConfigurationError: obstore is not installed, or the address can't be used.
        OSError: The store can't be listed.
    """
    if is_store(str(output)):
        return await _of_store(StoreOutputs(str(output), ()))
    return await asyncio.get_running_loop().run_in_executor(None, _of_folder, Path(output))


def _of_folder(output: Path) -> dict[str, Document]:
    found = {}
    for path in output.rglob(f"*{SUFFIX}"):
        try:
            content = path.read_text(encoding="utf-8")
            moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, ValueError):
            continue
        if document := _read(content, moment):
            found[path.relative_to(output).as_posix().removesuffix(SUFFIX)] = document
    return found


async def _of_store(outputs: StoreOutputs) -> dict[str, Document]:
    found: dict[str, Document] = {}
    listed = outputs.names(SUFFIX)
    taking = anyio.Lock()

    async def read() -> None:
        while (one := await _next(listed, taking)) is not None:
            name, moment = one
            if document := _read(await outputs.read(name), moment + RESOLUTION):
                found[name.removesuffix(SUFFIX)] = document

    try:
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(read)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return found


async def _next(listed: AsyncIterator[tuple[str, datetime]], taking: anyio.Lock) -> tuple[str, datetime] | None:
    """One name for each caller: an iterator takes no two at once."""
    async with taking:
        return await anext(listed, None)


def _read(content: str | None, moment: datetime) -> Document | None:
    try:
        document = json.loads(content or "")
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        return None
    seconds = document.get("audio_duration")
    return Document(TranscriptId(document["id"]), seconds if isinstance(seconds, int | float) else None, moment)

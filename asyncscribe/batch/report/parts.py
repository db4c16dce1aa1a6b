"""The results of a shared batch as a table of many Parquet files, which several machines can write together.

Each file holds the jobs of one range of keys. A job never gets another key, so that a range is the same whoever writes
it and whenever: a file that is written again is replaced.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio

from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.records import Entry
from asyncscribe.batch.report.exporting import Reader, rows, write_parquet
from asyncscribe.batch.stored_outputs import StoreOutputs
from asyncscribe.files import whole_or_nothing

#: Keys in one file: at 10 KB of text for each about 300 MB, compressed.
KEYS = 100_000
#: Where recordings are that have no job yet.
PENDING = "pending.parquet"


class RangedJournal(Protocol):
    """A journal that can be read by ranges of keys."""

    async def ranges(self, size: int) -> list[int]:
        """The numbers of those ranges of `size` keys in which there are jobs; the first one is 0."""
        ...

    def in_range(self, first: int, last: int) -> AsyncIterator[Entry]:
        """The recordings whose job has a key from `first` to `last`, in the order of the keys."""
        ...

    def without_job(self) -> AsyncIterator[Entry]:
        """The recordings that have no job, in the order of their names."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One machine's share of the ranges.

    Attributes:
        number: Which one, 1 for the first.
        count: How many shares there are.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"{self.number}/{self.count} is no part: the first of four is 1/4")

    def has(self, number: int) -> bool:
        """Whether a range is among them."""
        return number % self.count == self.number - 1


ALL = Part()


async def write_parts(journal: RangedJournal, read: Reader, target: str, part: Part = ALL, *, keys: int = KEYS) -> int:
    """Write one machine's share of the files, and return the number of rows.

    Args:
        journal: Has the jobs.
        read: Gives the texts.
        target: A folder, or a prefix of an object store.
        part: Whose share.
        keys: Keys in one file. All machines have to use the same number.

    Raises:
        ConfigurationError: pyarrow or obstore is not installed.
        OSError: A file can't be written.
    """
    count = 0
    for number in await journal.ranges(keys):
        if part.has(number):
            first, last = number * keys, (number + 1) * keys - 1
            async with _new_file(target, f"jobs-{first:012}-{last:012}.parquet") as place:
                count += await write_parquet(rows(journal.in_range(first, last), read), place)
    if part.number == 1:
        async with _new_file(target, PENDING) as place:
            count += await write_parquet(rows(journal.without_job(), read), place)
    return count


@asynccontextmanager
async def _new_file(target: str, name: str) -> AsyncGenerator[Path, None]:
    """Where to write a file that is moved to its place when it is whole."""
    if is_store(target):
        store = StoreOutputs(target, ())
        with tempfile.TemporaryDirectory(prefix="asyncscribe-") as folder:
            yield Path(folder) / name
            await store.put(name, Path(folder) / name)
        return
    await anyio.Path(target).mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(Path(target) / name) as place:
        yield place

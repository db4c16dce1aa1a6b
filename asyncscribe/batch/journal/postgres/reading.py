"""What is read of a PostgreSQL journal: for that nobody has to take part as a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from psycopg import Connection

from asyncscribe.batch.inputs.naming import variants
from asyncscribe.batch.journal.commits import RETRIES, Committer
from asyncscribe.batch.journal.postgres import facts, recordings, workers
from asyncscribe.batch.journal.postgres.connection import PostgresStore, Work
from asyncscribe.batch.journal.postgres.places import Places
from asyncscribe.batch.journal.postgres.totals import totals
from asyncscribe.batch.journal.postgres.workers import Member, Stray
from asyncscribe.batch.journal.records import Entry, Newcomer, SavedState
from asyncscribe.batch.journal.totals import Totals
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.backoff import Backoff

#: Entries read at once when all are read.
PAGE = 500
#: Variants of a name that are checked for a recording that has moved.
MOST_ALIKE = 20

T = TypeVar("T")


class PostgresReader:
    """A PostgreSQL journal as it is read. An async context manager; see `PostgresJournal`."""

    def __init__(
        self,
        dsn: str,
        *,
        host: str | None = None,
        read_only: bool = False,
        renew: bool = False,
        retries: Backoff = RETRIES,
    ) -> None:
        self._store = PostgresStore(dsn, read_only=read_only, renew=renew)
        self._committer: Committer[Work[Any]] = Committer(self._store, "asyncscribe journal", retries)
        self._host = host
        self._places = Places(host)
        self._service = ""

    @property
    def place(self) -> str:
        """Host and name of the database."""
        return self._store.place

    async def __aenter__(self) -> Self:
        await self._committer.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._committer.close()

    @property
    def service(self) -> str:
        """Where jobs run."""
        return self._service

    def connect(self) -> Connection:
        """Another connection to the same database, in autocommit. Blocks.

        Raises:
            JournalError: It can't be made.
        """
        return self._store.connect()

    async def _do(self, work: Work[T], *, durable: bool = False, linger: float = 0.0) -> T:
        return cast(T, await self._committer.do(work, durable=durable, linger=linger))

    async def fact(self, name: str) -> str | None:
        """See `Journal`."""
        return await self._do(facts.fact(name))

    async def latest_ids(self, service: str, limit: int) -> list[TranscriptId]:
        """See `Journal`."""
        return await self._do(facts.latest_ids(service, limit))

    async def limits(self) -> list[tuple[float, int]]:
        """The limits of all runs, oldest first: Unix seconds, jobs."""
        return await self._do(facts.limits())

    async def totals(self) -> Totals:
        """The totals, counted by the database."""
        return await self._do(totals())

    async def counts(self) -> Counter[SavedState | None]:
        """How many recordings there are by the last step of their job; None stands for no job."""
        return await self._do(facts.counts())

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:
        """See `Journal`."""
        found = await self._do(recordings.entries([self._places.inward(identity) for identity in identities]))
        entries = [self._places.entry(entry) for entry in found.values()]
        return {entry.recording.identity: entry for entry in entries}

    async def alike(self, newcomer: Newcomer) -> list[Entry]:
        """See `Journal`."""
        names = [newcomer.name, *islice(variants(newcomer.name), MOST_ALIKE)]
        return [self._places.entry(entry) for entry in await self._do(recordings.alike(names))]

    async def all(self) -> AsyncIterator[Entry]:
        """See `Journal`."""
        async for entry in self._paged(recordings.page):
            yield entry

    async def _paged(self, work: Callable[[str, int], Work[list[Entry]]]) -> AsyncIterator[Entry]:
        last = ""
        while True:
            page = await self._do(work(last, PAGE))
            for entry in page:
                yield self._places.entry(entry)
            if len(page) < PAGE:
                return
            last = page[-1].recording.name

    async def ranges(self, size: int) -> list[int]:
        """The numbers of those ranges of `size` keys in which there are jobs; the first one is 0."""
        return await self._do(recordings.ranges(size))

    async def in_range(self, first: int, last: int) -> AsyncIterator[Entry]:
        """The recordings whose job has a key from `first` to `last`, in the order of the keys."""
        for begin in range(first, last + 1, PAGE):
            for entry in await self._do(recordings.in_range(begin, min(begin + PAGE - 1, last))):
                yield self._places.entry(entry)

    async def without_job(self) -> AsyncIterator[Entry]:
        """The recordings that have no job, in the order of their names."""
        async for entry in self._paged(recordings.without_job):
            yield entry

    async def alive(self) -> list[Member]:
        """The workers whose lease is not over."""
        return await self._do(workers.alive())

    async def newest(self) -> int:
        """The highest number of any worker."""
        return await self._do(workers.newest())

    async def oldest(self) -> int:
        """The lowest number of a worker whose lease is not over; 0 if there is none."""
        return await self._do(workers.oldest())

    async def strays(self) -> list[Stray]:
        """Transcripts that were paid for by workers that had lost the job, and belong to no job."""
        return await self._do(workers.strays())

    async def allowance(self, run: str) -> tuple[float, float] | None:
        """Seconds of audio that a run may submit, and those that it has; None if nothing limits it."""
        return await self._do(facts.allowance(run))

"""`PostgresJournal`: the journal that processes on many machines share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from asyncscribe.batch.journal.commits import LINGER, RETRIES
from asyncscribe.batch.journal.postgres import facts, recordings, steps, workers
from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.postgres.lister import listing
from asyncscribe.batch.journal.postgres.reading import PostgresReader
from asyncscribe.batch.journal.postgres.steps import Fence, Reservation
from asyncscribe.batch.journal.postgres.workers import ANY, Claim, Claiming, Selection
from asyncscribe.batch.journal.records import Entry, JobRecord, Newcomer, Recording
from asyncscribe.batch.journal.rows import text_of
from asyncscribe.errors import JournalError
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.backoff import Backoff


class PostgresJournal(PostgresReader):
    """A journal that many processes share, on one machine or on many. An async context manager.

    Any process may write about recordings. A step of a job needs the worker that has it: `join`, then `claim` or
    `claim_keys`. While the database is away, steps are retried as long as their callers wait.

    Args:
        dsn: Where the database is: `postgresql://user:password@host/name`. It is never shown.
        host: The host whose local files only its own processes can read: until they are uploaded, their jobs are
            claimed there alone. None if all processes can read them.
        read_only: Only read.
        renew: A copy of the database that took its place is accepted from now on.
        retries: Seconds between attempts while the database is away.

    Raises (on entering):
        JournalError: The database can't be reached, its tables have another version, or a copy that may know less took
            its place.
    """

    def __init__(
        self,
        dsn: str,
        *,
        host: str | None = None,
        read_only: bool = False,
        renew: bool = False,
        retries: Backoff = RETRIES,
    ) -> None:
        super().__init__(dsn, host=host, read_only=read_only, renew=renew, retries=retries)
        self._worker: int | None = None
        self._mine: set[int] = set()
        self._is_sure = True
        #: One claim at a time, so that each knows what the earlier ones got.
        self._claiming = asyncio.Lock()

    def _fence(self, key: int) -> Fence:
        if self._worker is None:
            raise JournalError(self.place, f"job {key} belongs to a worker, and this process has not joined as one")
        return Fence(self.place, key, self._worker)

    # The batch.

    async def bind(self, service: str, *, lasting: bool) -> None:
        """See `Journal`."""
        self._service = service
        if not lasting:
            await self._do(facts.forget(service))

    async def keep_fact(self, name: str, value: str) -> None:
        """See `Journal`."""
        await self._do(facts.keep_fact(name, value))

    async def limit(self, moment: float, limit: int) -> None:
        """See `Journal`."""
        self._committer.note(facts.limit(moment, limit))

    # Recordings.

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        """See `Journal`."""
        named = await self._do(recordings.name([self._places.newcomer(newcomer) for newcomer in newcomers]))
        return [entry and self._places.entry(entry) for entry in named]

    async def name_apart(self, newcomer: Newcomer) -> Entry:
        """See `Journal`."""
        return self._places.entry(await self._do(recordings.name_apart(self._places.newcomer(newcomer))))

    async def take_over(self, identity: str, newcomer: Newcomer) -> Entry:
        """See `Journal`."""
        work = recordings.take_over(self._places.inward(identity), self._places.newcomer(newcomer))
        return self._places.entry(await self._do(work))

    async def assign(self, found: Sequence[Recording], config: str) -> list[JobRecord]:
        """See `Journal`."""
        times = text_of({"found": round(time.time(), 3)})
        found = [self._places.recording(recording) for recording in found]
        work = recordings.assign(found, self._service, config, self._host, times)
        # Durable, so that the others have these jobs whatever happens to the database's machine.
        return await self._do(work, durable=True)

    async def keep(self, recording: Recording) -> None:
        """See `Journal`."""
        await self._do(recordings.keep([self._places.recording(recording)]))

    async def rewriting(self, identity: str, formats: Sequence[str]) -> None:
        """See `Journal`."""
        await self._do(recordings.rewriting(self._places.inward(identity), formats), durable=True)

    async def problem(self, recording: Recording, text: str) -> None:
        """See `Journal`."""
        self._committer.note(recordings.problem(self._places.inward(recording.identity), _storable(text)))

    # Jobs. All steps but `submitting` may be lost with the database's machine; the next owner makes up for that.

    async def uploaded(self, key: int, audio_url: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        await self._do(steps.uploaded(self._fence(key), audio_url, text_of(times)), linger=LINGER)

    async def submitting(
        self,
        key: int,
        audio_url: str,
        since: float,
        times: Mapping[str, float],
        *,
        run: str | None = None,
        seconds: float = 0.0,
        is_bound: bool = False,
    ) -> None:
        """See `Journal`.

        Args:
            key: The job.
            audio_url: What is submitted.
            since: When, Unix seconds of the service's clock.
            times: All known times of the job.
            run: The run whose allowance counts it; None if none does.
            seconds: What it takes of that. What an earlier submission took already is not taken again.
            is_bound: `seconds` is only an upper bound; any rest of the allowance is enough.

        Raises:
            AllowanceSpent: It does not fit, and nothing was kept.
        """
        fence, stored = self._fence(key), text_of(times)
        work = steps.submitting(fence, audio_url, since, stored)
        if run is not None:
            work = steps.submitting_at_cost(fence, audio_url, since, stored, run, seconds, is_bound=is_bound)
        await self._do(work, durable=True, linger=LINGER)

    async def refused(self, key: int) -> None:
        """See `Journal`."""
        await self._do(steps.refused(self._fence(key)), linger=LINGER)

    async def submitted(self, key: int, transcript_id: TranscriptId, times: Mapping[str, float]) -> None:
        """See `Journal`. If the job is another worker's by now, the id is kept among the strays."""
        await self._do(steps.submitted(self._fence(key), transcript_id, text_of(times)), linger=LINGER)

    async def completed(
        self,
        key: int,
        written: Mapping[str, Sequence[str]],
        audio_seconds: float | None,
        times: Mapping[str, float],
    ) -> None:
        """See `Journal`."""
        files = {identity: text_of(dict.fromkeys(forms, key)) for identity, forms in self._places.keys(written).items()}
        # A batch ends its jobs one after the other: waiting for others would gain nothing.
        await self._do(steps.completed(self._fence(key), files, audio_seconds, text_of(times)))
        self._mine.discard(key)

    async def failed(self, key: int, reason: str, category: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        await self._do(steps.failed(self._fence(key), _storable(reason), category, text_of(times)))
        self._mine.discard(key)

    async def timed(self, key: int, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        self._committer.note(steps.timed(self._fence(key), text_of(times)))

    async def begin_again(self, key: int) -> JobRecord:
        """See `Journal`."""
        begun = await self._do(steps.begin_again(self._fence(key)))
        if begun is None:
            raise self._fence(key).lost()
        return begun

    async def begin_again_before(self, key: int, before: int) -> JobRecord | None:
        """The same, unless the job failed at a worker with a number of at least `before`; then None."""
        return await self._do(steps.begin_again(self._fence(key), before))

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        """See `Journal`."""
        await self._do(steps.adopt(self._fence(key), transcript_id, audio_url))

    # Workers.

    async def join(self, name: str, host: str, lease: float) -> int:
        """Join as a new worker, and return its number.

        A journal has one worker: a process whose lease was lost opens another journal, so that its earlier jobs are not
        confused with those that it claims later.

        Args:
            name: Its name in lists of workers.
            host: Where it runs.
            lease: Seconds until others may take over its jobs, unless the lease is renewed.
        """
        if self._worker is not None:
            raise JournalError(self.place, "this process has joined already: open another journal")
        # Durable: a number that is lost with the database's machine would be given again.
        self._worker = await self._do(workers.join(name, host, lease), durable=True)
        return self._worker

    async def leave(self) -> None:
        """Leave: others take over its jobs at once. None of them may still be worked on."""
        if self._worker is not None:
            await self._do(workers.leave(self._worker), durable=True)
            self._mine.clear()

    async def claim(self, limit: int, wanted: Selection = ANY) -> list[Claim]:
        """Claim jobs that nobody works on, the oldest first.

        Args:
            limit: How many at most.
            wanted: Which of them.

        Raises:
            LeaseLost: The worker's lease is over.
        """
        worker = self._fence(0).worker
        async with self._claiming:
            known = frozenset(self._mine)
            work = Claiming(self.place, worker, self._service, wanted, self._host, limit, known, self._is_sure)
            return await self._claim(work)

    async def claim_keys(self, keys: Sequence[int]) -> list[Claim]:
        """Claim these jobs, also finished ones; returns those that no other worker has.

        Raises:
            LeaseLost: The worker's lease is over.
        """
        async with self._claiming:
            return await self._claim(workers.claim_keys(self.place, self._fence(0).worker, keys))

    async def _claim(self, work: Work[list[Claim]]) -> list[Claim]:
        was_sure, self._is_sure = self._is_sure, False
        # If this is cancelled half-way, the next claim finds what it got.
        claims = await self._do(work)
        # A claim that was not full has found everything that an earlier one got.
        self._is_sure = was_sure or (isinstance(work, Claiming) and len(claims) < work.limit)
        self._mine.update(claim.job.key for claim in claims)
        return [replace(claim, entries=tuple(map(self._places.entry, claim.entries))) for claim in claims]

    async def release(self, key: int) -> None:
        """Give up an unfinished job, so that others can have it."""
        await self._do(steps.release(self._fence(key)))
        self._mine.discard(key)

    async def others_work(self, wanted: Selection) -> bool:
        """Whether another worker has an unfinished job with the configuration and content of `wanted`."""
        return await self._do(workers.others_work(self._fence(0).worker, self._service, wanted))

    @asynccontextmanager
    async def lister(self, name: str, ping: float = 10.0) -> AsyncGenerator[bool, None]:
        """Whether this process lists recordings: True in one at a time.

        If it hangs for longer than 30 s, another one may list as well; both find the same.

        Args:
            name: What is listed; other names don't wait for it.
            ping: Seconds between two pings of the database.
        """
        async with listing(self._store, name, ping) as is_lister:
            yield is_lister

    # Budgets.

    async def allow(self, run: str, seconds: float) -> None:
        """Set how many seconds of audio all workers of a run may submit together."""
        await self._do(facts.allow(run, seconds), durable=True)

    async def reserve(self, key: int, run: str, seconds: float, *, is_bound: bool) -> Reservation:
        """Take a job's part of an allowance before it is submitted.

        Args:
            key: The job.
            run: Whose allowance.
            seconds: Of audio.
            is_bound: The length is unknown, and `seconds` its upper bound: any rest of the allowance is enough.
        """
        work = steps.reserve(self._fence(key), run, seconds, is_bound=is_bound)
        return await self._do(work, durable=True, linger=LINGER)

    async def settle(self, key: int, seconds: float) -> None:
        """Correct what a job took from an allowance to its actual seconds."""
        await self._do(steps.settle(self._fence(key), seconds), linger=LINGER)


def _storable(text: str) -> str:
    """A message without what the database refuses."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "backslashreplace").decode()

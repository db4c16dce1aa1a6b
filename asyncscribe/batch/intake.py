"""What a run takes up: recordings with something to do become works, the others are counted."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from asyncscribe.batch.allowance import LONGEST, Admission, Allowance
from asyncscribe.batch.claims import Alone, Claims, Pool
from asyncscribe.batch.finding import Candidate, Finder, read
from asyncscribe.batch.inputs.discovery import BatchItem, Discovery, Unreadable
from asyncscribe.batch.inputs.identity import fingerprint, stamp_of
from asyncscribe.batch.inputs.probing import length_of
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.records import JobRecord, Journal, SavedState
from asyncscribe.batch.outputs import Outputs
from asyncscribe.batch.planning import Plan, is_paid, plan
from asyncscribe.batch.under_way import UnderWay, Work
from asyncscribe.errors import SourceError
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.sources import name_of

#: Recordings that are looked up at once.
CHUNK = 250


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a batch is to do.

    Attributes:
        outputs: Where transcripts go.
        output: The same as a folder; None for an object store.
        lost: The journal's file, named in the error when a transcript exists that the journal does not know.
        service: Where jobs run.
        config: What the service is asked to do.
        retry_failed: Whether jobs that failed for good are tried again.
    """

    outputs: Outputs
    output: Path | None
    lost: Path
    service: str
    config: TranscriptionConfig
    retry_failed: bool


class Intake:
    """Finds recordings, and decides what to do about each, within the allowance and what other processes have.

    Args:
        assignment: What the batch is to do.
        journal: What is known of it.
        claims: Which jobs this process may work on.
        allowance: How much audio may be paid for.
        under_way: The works that have begun.
        is_stopped: Whether nothing more is to be taken up.
        turn: Called regularly, to check how many other processes there are.

    Attributes:
        skipped: Recordings whose transcripts existed already.
        left: Recordings that failed for good in an earlier run and were left alone.
    """

    def __init__(
        self,
        assignment: Assignment,
        journal: Journal,
        claims: Claims,
        allowance: Allowance,
        under_way: UnderWay,
        is_stopped: Callable[[], bool],
        turn: Callable[[], None],
    ) -> None:
        self._outputs = assignment.outputs
        self._output = assignment.output
        self._lost = assignment.lost
        self._service = assignment.service
        self._config = assignment.config
        self._fingerprint = fingerprint(assignment.config)
        self._retry_failed = assignment.retry_failed
        self._journal = journal
        self._claims = claims
        self._alone = isinstance(claims, Alone)
        self._allowance = allowance
        self._under_way = under_way
        self._is_stopped = is_stopped
        self._turn = turn
        self._discovery = Discovery((), self._output)
        self._listed = Discovery(())
        self._free: deque[Candidate] = deque()
        self._is_refused = False
        self._elsewhere: list[BatchItem] = []
        self._begun = 0.0
        self.skipped = 0
        self.left = 0

    @property
    def unreadable(self) -> list[Unreadable]:
        """Places from which nothing was taken so far."""
        return [*self._discovery.unreadable, *self._listed.unreadable]

    async def works(self, sources: Sequence[str]) -> AsyncGenerator[Work, None]:
        """Works to do, as there is room for them.

        Raises:
            JournalError: The journal can't be read or written.
        """
        self._begun = time.time()
        stored = [source for source in sources if is_store(source)]
        pool = self._claims.pool(stored, self._fingerprint) if stored else None
        if pool is not None:
            sources = [source for source in sources if not is_store(source)]
        self._discovery = Discovery(sources, self._output)
        self._turn()
        again = False
        async for find in self._finds(self._discovery.chunks()):
            work, put_off = await self._take_up(find, first=True)
            again = again or put_off
            if work is not None:
                yield work
        if again:
            # Recordings of unknown length come last, one after the other. They are discovered again instead of being
            # remembered, because they may be all there are.
            async for find in self._finds(Discovery(sources, self._output).chunks()):
                work, _ = await self._take_up(find, first=False)
                if work is not None:
                    yield work
        if pool is not None:
            async with aclosing(self._shared(pool, stored)) as works:
                async for work in works:
                    yield work
        async for work in self._left_by_others():
            yield work

    async def _shared(self, pool: Pool, stored: Sequence[str]) -> AsyncGenerator[Work, None]:
        """Recordings in stores: one process at a time lists them, and each takes those that nobody else has."""
        has_listed = False
        while not self._is_stopped():
            if not has_listed and not await pool.is_listed():
                async with pool.lister() as is_lister:
                    # Another process may have finished the list just before.
                    if is_lister and not await pool.is_listed():
                        has_listed = True
                        async with aclosing(self._list(pool, stored)) as works:
                            async for work in works:
                                yield work
            free = await self._next_free(pool)
            if free is None:
                # Asked before taking once more, so that jobs which others release in between are still taken.
                done = not await pool.others_work() and (has_listed or await pool.is_listed())
                free = await self._next_free(pool)
                if free is None and done:
                    return
            while free is not None:
                yield free
                free = await self._next_free(pool)
            await pool.pause()
            self._turn()
        await self._put_back_free()

    async def _list(self, pool: Pool, stored: Sequence[str]) -> AsyncGenerator[Work, None]:
        """List stores for all processes, and take up recordings whose job is finished.

        A page is listed for each work that there is room for, so the other processes never wait for this one.
        """
        self._listed = Discovery(stored, self._output)
        async with aclosing(self._listed.chunks()) as pages:
            async for page in pages:
                async for find in self._finds(_chunks(page)):
                    if find.job is None or not find.job.is_open:
                        work, _ = await self._take_up(find, first=True)
                        if work is not None:
                            yield work
                if self._is_stopped():
                    return
                work = await self._next_free(pool)
                if work is not None:
                    yield work
        if not self._listed.unreadable:
            await pool.listed()

    async def _next_free(self, pool: Pool) -> Work | None:
        while not self._is_stopped():
            if not self._free and not await self._take_some(pool):
                return None
            find = self._free.popleft()
            if find.job is None:
                continue
            work, _ = await self._begin(find, find.job, Plan.WORK, first=True)
            if work is not None:
                return work
            if self._allowance.exhausted:
                await self._put_back_free()
                self._is_refused = True
        return None

    async def _take_some(self, pool: Pool) -> bool:
        taken = await pool.take(paid_only=self._is_refused)
        # What was submitted comes first: it may give back some of the allowance.
        self._free.extend(sorted(taken, key=lambda find: find.job is None or not is_paid(find.job)))
        if taken and self._is_refused:
            self._is_refused = self._allowance.exhausted = False
        return bool(taken)

    async def _put_back_free(self) -> None:
        while self._free:
            job = self._free.popleft().job
            if job is not None:
                await self._claims.put_back(job)

    async def _left_by_others(self) -> AsyncIterator[Work]:
        """Jobs that others had, until they are done: if another process ends, this one takes them over."""
        while self._elsewhere and not self._is_stopped():
            await self._claims.pause()
            self._turn()
            items, self._elsewhere = self._elsewhere, []
            async for find in self._finds(_chunks(items)):
                work, _ = await self._take_up(find, first=True)
                if work is not None:
                    yield work

    async def _finds(self, chunks: AsyncIterator[list[BatchItem]]) -> AsyncIterator[Candidate]:
        finder = Finder(
            self._journal, self._outputs, self._service, self._fingerprint, self._discovery.covers, self._lost
        )
        async for items in chunks:
            read_at = self._under_way.forget()
            for find in await finder.find(items):
                if self._is_stopped():
                    return
                since = read_at
                if find.recording.content is None and await read(find):
                    since = self._under_way.moment
                    await finder.assign([find])
                # An entry from before the end of its job would have the job paid for again.
                while find.job is not None and self._under_way.has_ended(find.job.key, since):
                    since = self._under_way.moment
                    await finder.assign([find])
                    await finder.look_again(find)
                yield find

    async def _take_up(self, find: Candidate, *, first: bool) -> tuple[Work | None, bool]:
        """The work of a recording, if any; and whether it is put off because its length is unknown."""
        job = find.job
        if job is None:
            # It can't be read: its outcome says why, and nothing is worth keeping.
            return (Work([find]) if first else None), False
        if not first and not await self._was_put_off(find, job):
            return None, False
        what = self._plan(find, job)
        if what in {Plan.WORK, Plan.BEGIN_AGAIN}:
            if not await self._claims.claim(find) or find.job is None:
                self._elsewhere.append(find.item)
                return None, False
            # Others may have worked on it since it was looked up.
            job = find.job
            what = self._plan(find, job)
            if what in {Plan.NOTHING, Plan.LEAVE}:
                await self._claims.release(job)
        match what:
            case Plan.NOTHING | Plan.LEAVE:
                self.skipped += first and what is Plan.NOTHING
                self.left += first and what is Plan.LEAVE
                return None, False
            case Plan.SHARE:
                self._under_way.share(job.key, find)
                return None, False
        return await self._begin(find, job, what, first=first)

    def _plan(self, find: Candidate, job: JobRecord) -> Plan:
        return plan(
            job,
            formats=self._outputs.formats,
            outputs_exist=find.outputs_exist,
            files=find.files,
            under_way=self._under_way.has(job.key),
            retry_failed=self._retry_failed,
        )

    async def _begin(self, find: Candidate, job: JobRecord, what: Plan, *, first: bool) -> tuple[Work | None, bool]:
        limited = self._allowance.is_limited and (what is Plan.BEGIN_AGAIN or not is_paid(job))
        length = await self._length(find) if limited else None
        if limited and length is None and first and self._alone:
            return None, True
        if limited and not await self._is_granted(job, length):
            await self._claims.put_back(job)
            return None, False
        if what is Plan.BEGIN_AGAIN:
            begun = await self._claims.begin_again(job)
            if begun is None:
                await self._claims.release(job)
                self.left += first
                return None, False
            job = begun
        ledger = self._claims.ledger(
            job, length if limited else find.recording.seconds, partial(_check_unchanged, find)
        )
        work = Work([find], job, ledger, counts=limited, length=length)
        self._under_way.begin(work)
        return work, False

    async def _was_put_off(self, find: Candidate, job: JobRecord) -> bool:
        """Whether a recording was left the first time only because its length is unknown."""
        # If it was submitted since then, another recording with the same content was put off too.
        is_new = not is_paid(job) or job.step is SavedState.FAILED or job.times.get("submitting", 0.0) >= self._begun
        return is_new and await self._length(find) is None

    async def _length(self, find: Candidate) -> float | None:
        """Seconds of audio that are paid for; None if unknown."""
        path = find.item.source
        if not isinstance(path, Path):
            return None
        if find.recording.seconds is not None and not self._config.multichannel:
            return find.recording.seconds
        length = await length_of(path)
        if length is None:
            return None
        find.recording = replace(find.recording, seconds=length.seconds)
        await self._journal.keep(find.recording)
        return length.billed(each_channel=self._config.multichannel)

    async def _is_granted(self, job: JobRecord, length: float | None) -> bool:
        while not self._is_stopped():
            ended = self._under_way.next_end()
            match await self._admission(job, length):
                case Admission.GRANTED:
                    return not self._is_stopped()
                case Admission.REFUSED:
                    self._allowance.exhausted = True
                    return False
            if self._alone:
                await ended.wait()
            else:
                # What is claimed and not begun may be what has to end first.
                await self._put_back_free()
                await self._claims.pause()
        return False

    async def _admission(self, job: JobRecord, length: float | None) -> Admission:
        if self._alone:
            return self._allowance.admit(length)
        if length is not None:
            return await self._claims.admit(job, length, is_bound=False)
        if self._config.multichannel:
            # Each channel is paid for, and nothing bounds how many there are.
            return Admission.REFUSED
        return await self._claims.admit(job, LONGEST, is_bound=True)


async def _check_unchanged(find: Candidate) -> None:
    """Check that a file is unchanged since it was hashed, so that what was sent is what is recorded.

    Raises:
        SourceError: It changed.
    """
    path = find.item.source
    if isinstance(path, Path):
        stamp = await asyncio.get_running_loop().run_in_executor(None, stamp_of, path)
        if stamp != find.stamp:
            raise SourceError(name_of(path), "it was changed while it was sent; the next run sends it again")


async def _chunks(items: Sequence[BatchItem]) -> AsyncIterator[list[BatchItem]]:
    for start in range(0, len(items), CHUNK):
        yield list(items[start : start + CHUNK])

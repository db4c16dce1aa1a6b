"""Waiting for jobs: one loop looks at the service for all of them, until each has ended.

A job that ended is fetched once, by its own GET, and everybody who waits for it is told. Until then the loop asks for
all jobs together where list pages make that cheaper (`policies.polling` says when and how), and a GET is the way out
wherever a page leaves a question: a job that should be on it and is not, a list that is refused, a crowd of others.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import anyio

from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport
from asyncscribe.engine.tasks import Nursery
from asyncscribe.errors import AsyncscribeError, NotOpen, ServiceError, WaitInterrupted
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Backoff, Random
from asyncscribe.policies.limits import Look, Others
from asyncscribe.policies.polling import Ask, Pace, ask, most_pages

_log = logging.getLogger("asyncscribe")

#: Looks in a row that may fail (each after the transport's own retries) before a wait is given up. With the default
#: schedules that is an outage of several minutes.
PATIENCE = 10
#: Weight of the newest in the running mean of the jobs' durations: that of the last 50 or so.
FRESHNESS = 0.04
#: Seconds for which pages are not asked for after the list was refused.
REFUSED_FOR = 300.0
#: Seconds. A rounding error's worth of waiting would let no time pass on a clock of coarser steps.
SOON = 0.001

ENDED = frozenset({TranscriptStatus.COMPLETED, TranscriptStatus.ERROR})

#: Takes what a look showed, as evidence for the limit.
Observe = Callable[[Look], None]
#: Takes the status of a job when it is first seen and whenever it is another.
OnStatus = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """The watched jobs at one moment.

    Attributes:
        watched: Jobs that are waited for.
        processing: Of those, seen running.
        queued: Of those, found still waiting at the service when looked at again: the rate-limit signal.
        looks: Jobs looked at by a GET so far.
        queued_looks: Of all jobs in all looks so far, those that were found still waiting.
        pages: List pages looked at so far.
        duration: Mean seconds from submission to end of the jobs that ended lately; None before the first.
    """

    watched: int
    processing: int
    queued: int
    looks: int
    queued_looks: int
    pages: int
    duration: float | None


@dataclass(slots=True, eq=False)
class _Watched:
    """A job that somebody waits for; times in seconds of the loop's clock."""

    id: TranscriptId
    since: float
    due: float
    new: bool
    status: str | None = None
    listed: bool = False
    fetching: anyio.CancelScope | None = None
    failures: int = 0
    waiters: int = 0
    callbacks: list[OnStatus] = field(default_factory=list)
    ended: anyio.Event = field(default_factory=anyio.Event)
    result: Transcript | Exception | None = None

    def end(self, result: Transcript | Exception) -> None:
        self.result = result
        self.ended.set()


class Watcher:
    """Looks at jobs until they have ended.

    Args:
        transport: Sends.
        nursery: Owns the loop's task, which runs while there is a job to watch, and the fetches.
        polling: Delays between the looks at one job.
        observe: Told after each look how many jobs run and how many are queued.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        transport: Transport,
        nursery: Nursery,
        polling: Backoff,
        observe: Observe | None = None,
        rng: Random = random.random,
    ) -> None:
        self._transport = transport
        self._nursery = nursery
        self._polling = polling
        self._pace = Pace(polling)
        self._observe = observe
        self._rng = rng
        self._jobs: dict[TranscriptId, _Watched] = {}
        self._running = False
        self._changed = anyio.Event()
        self._earliest = float("inf")
        self._looked_at = self._before = float("-inf")
        self._refused_until = float("-inf")
        self._others: Others | None = None
        self._unknown: Collection[TranscriptId] = ()
        self._duration: float | None = None
        self._looks = self._queued_looks = self._pages = 0

    def statistics(self) -> WatcherStatistics:
        """The present counts."""
        statuses = [job.status for job in self._jobs.values()]
        return WatcherStatistics(
            watched=len(statuses),
            processing=statuses.count(TranscriptStatus.PROCESSING),
            queued=statuses.count(TranscriptStatus.QUEUED),
            looks=self._looks,
            queued_looks=self._queued_looks,
            pages=self._pages,
            duration=self._duration,
        )

    async def wait(
        self,
        transcript_id: TranscriptId,
        *,
        new: bool = False,
        on_status: OnStatus | None = None,
    ) -> Transcript:
        """Wait until the job has ended and return its transcript, completed or failed.

        Failing requests only stretch the wait; the job does not suffer from them. Any number of callers can wait for
        one job, and each can be cancelled without disturbing the others.

        Args:
            transcript_id: The job.
            new: It was submitted just now, so the first look comes after the first delay instead of at once.
            on_status: Called with the status when it is first seen and whenever it is another.

        Raises:
            APIError: There is no such transcript, or the key was refused; the error names the id.
            WaitInterrupted: The service could not be asked for too long; the job goes on.
            NotOpen: The client is not open, or was closed meanwhile.
        """
        job = self._join(transcript_id, new=new)
        job.waiters += 1
        if on_status is not None:
            job.callbacks.append(on_status)
        try:
            await job.ended.wait()
        finally:
            job.waiters -= 1
            if on_status is not None:
                job.callbacks.remove(on_status)
            if not job.waiters:
                self._leave(job)
        if isinstance(job.result, Transcript):
            return job.result
        assert job.result is not None  # noqa: S101 - tells the type checker what `ended` means
        raise job.result

    def hint(self, transcript_id: TranscriptId) -> None:
        """Look at a job now, if it is watched: something else, such as a webhook, told that it has ended."""
        job = self._jobs.get(transcript_id)
        if job is not None:
            self._fetch_soon([job], urgent=True)

    def _join(self, transcript_id: TranscriptId, *, new: bool) -> _Watched:
        job = self._jobs.get(transcript_id)
        if job is not None and not job.ended.is_set():
            return job
        now = anyio.current_time()
        if not self._running:
            if not self._nursery.is_open:
                raise NotOpen
            self._nursery.start_soon(self._run)
            self._running = True
        due = now + (self._polling.delay_at(0, self._rng) if new else 0.0)
        job = self._jobs[transcript_id] = _Watched(transcript_id, now, due, new)
        if due < self._earliest:
            self._changed.set()
        return job

    def _leave(self, job: _Watched) -> None:
        if self._jobs.get(job.id) is job:
            del self._jobs[job.id]
        if job.fetching is not None:
            job.fetching.cancel()
        if not self._jobs:
            self._changed.set()
            self._tell()

    async def _run(self) -> None:
        """Look whenever it is time, for as long as there is a job."""
        try:
            while await self._until_due():
                self._before, self._looked_at = self._looked_at, anyio.current_time()
                await self._look_at_all()
                self._tell()
        finally:
            self._running = False
            # Empty, unless the client was closed.
            for job in list(self._jobs.values()):
                job.end(NotOpen())

    async def _until_due(self) -> bool:
        """Wait until a look is due; False once nothing is watched."""
        while self._jobs:
            now = anyio.current_time()
            waiting = [job.due for job in self._jobs.values() if job.fetching is None]
            # Jobs join at the end, so the first is the oldest.
            age = now - next(iter(self._jobs.values())).since
            shortest, longest = self._pace.gap(len(self._jobs), self._duration or age, age, self._transport.stretch)
            due = min(waiting, default=float("inf"))
            if len(waiting) > 1 or self._duration is not None:
                due = min(due, self._looked_at + longest)
            self._earliest = max(self._looked_at + shortest, due)
            if self._earliest <= now + SOON:
                return True
            self._changed = anyio.Event()
            with anyio.CancelScope(deadline=self._earliest):
                await self._changed.wait()
        return False

    async def _look_at_all(self) -> None:
        now = anyio.current_time()
        jobs = [job for job in self._jobs.values() if job.fetching is None]
        others = self._others.processing + self._others.queued if self._others else 0
        way = ask(len(self._jobs), others, listed=now >= self._refused_until)
        if way is not Ask.EACH:
            try:
                await self._look_at_pages(way, jobs)
            except ServiceError as error:
                self._pages_failed(jobs, error)
                if not error.transient:
                    self._others = None
        self._fetch_soon([job for job in jobs if job.due <= now or len(jobs) == 1], urgent=False)

    def _pages_failed(self, jobs: Iterable[_Watched], error: ServiceError) -> None:
        now = anyio.current_time()
        if not error.transient:
            _log.warning("the list of transcripts is refused (%s); asking for each job by itself", error)
            self._refused_until = now + REFUSED_FOR
            return
        _log.info("a look at the list failed: %s", error)
        for job in jobs:
            if job.due <= now:
                self._failed(job, error)

    async def _look_at_pages(self, way: Ask, jobs: list[_Watched]) -> None:
        """Take what list pages show: who is still there, who has ended, and what others have in flight."""
        if way is Ask.NEWEST:
            statuses, _ = await self._read(None, pages=1)
            whole = False
        else:
            # In this order: a job that is started between the two requests is seen twice, not never.
            most = most_pages(len(jobs))
            statuses, all_queued = await self._read(TranscriptStatus.QUEUED, most)
            processing, all_processing = await self._read(TranscriptStatus.PROCESSING, most)
            statuses.update(processing)
            whole = all_queued and all_processing
        now = anyio.current_time()
        gone = []
        for job in jobs:
            status = statuses.pop(job.id, None)
            if status is None:
                # What was listed and is not any more has ended; what never was may just not be listed yet.
                if whole and job.listed:
                    gone.append(job)
            elif status in ENDED:
                gone.append(job)
            else:
                job.listed = True
                if status == job.status:
                    # Most of them, in every look.
                    job.due = now + self._polling.delay_at(now - job.since, self._rng)
                else:
                    self._saw(job, status, now)
        self._fetch_soon(gone, urgent=True)
        self._count_others({id_: status for id_, status in statuses.items() if id_ not in self._jobs})

    def _count_others(self, unknown: dict[TranscriptId, str]) -> None:
        """Count what is nobody's here.

        Only what was so in the look before as well: an own job may be listed before its submission is answered.
        """
        strange = [status for id_, status in unknown.items() if id_ in self._unknown]
        self._unknown = unknown.keys()
        self._others = Others(strange.count(TranscriptStatus.PROCESSING), strange.count(TranscriptStatus.QUEUED))

    async def _read(self, status: TranscriptStatus | None, pages: int) -> tuple[dict[TranscriptId, str], bool]:
        """The statuses on the newest pages, and whether these are all there are."""
        statuses: dict[TranscriptId, str] = {}
        before: TranscriptId | None = None
        for _ in range(pages):
            request = protocol.list_transcripts(status=status, before_id=before)
            page = await self._transport.send(request, read=protocol.read_statuses, urgent=False)
            self._pages += 1
            statuses.update((item.id, item.status) for item in page.transcripts)
            if not page.has_older:
                return statuses, True
            before = page.transcripts[-1].id
        return statuses, False

    def _fetch_soon(self, jobs: Iterable[_Watched], *, urgent: bool) -> None:
        for job in jobs:
            if job.fetching is None and not job.ended.is_set():
                job.fetching = anyio.CancelScope()
                self._nursery.start_soon(self._fetch, job, job.fetching, urgent)

    async def _fetch(self, job: _Watched, scope: anyio.CancelScope, urgent: bool) -> None:
        """Ask for one job: its transcript if it has ended, else how it is. A result is urgent, a look is not."""
        with scope:
            try:
                request = protocol.get_transcript(job.id)
                transcript = await self._transport.send(request, read=protocol.read_transcript, urgent=urgent)
            except ServiceError as error:
                self._failed(job, error)
            except AsyncscribeError as error:
                job.end(error)
            else:
                self._looks += 1
                self._took(job, transcript)
        job.fetching = None
        if not job.ended.is_set():
            self._changed.set()

    def _took(self, job: _Watched, transcript: Transcript) -> None:
        now = anyio.current_time()
        job.failures = 0
        self._saw(job, transcript.status, now)
        if not transcript.is_final:
            if len(self._jobs) == 1:
                self._tell()
            return
        if job.new:
            took = now - job.since
            known = self._duration
            self._duration = took if known is None else known + FRESHNESS * (took - known)
        job.end(transcript)

    def _saw(self, job: _Watched, status: str, now: float) -> None:
        job.due = now + self._polling.delay_at(now - job.since, self._rng)
        if status != job.status:
            job.status = status
            for tell in tuple(job.callbacks):
                tell(status)

    def _failed(self, job: _Watched, error: ServiceError) -> None:
        if not error.transient:
            job.end(error)
            return
        job.failures += 1
        if job.failures >= PATIENCE:
            job.end(WaitInterrupted(f"the service could not be asked ({error})", job.id))
            return
        _log.info("a look at %s failed: %s", job.id, error)
        now = anyio.current_time()
        job.due = now + self._polling.delay_at(now - job.since, self._rng)

    def _tell(self) -> None:
        """Pass the evidence on. A job that was queued when it was last looked at counts if it was there before."""
        processing = queued = 0
        for job in self._jobs.values():
            processing += job.status == TranscriptStatus.PROCESSING
            queued += job.status == TranscriptStatus.QUEUED and job.since <= self._before
        self._queued_looks += queued
        if self._observe is not None:
            now = anyio.current_time()
            self._observe(Look(now, processing, queued, others=self._others, duration=self._duration))

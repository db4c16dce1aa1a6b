"""Waiting for jobs: each wait sends its own GETs, and one loop says when.

Only a GET ends a wait. The loop keeps the plans of all jobs (`policies.polling`), gives each wait its turn, and also
reads list pages, whose hints bring turns forward or put them off. A list that fails, hangs or lies needs no special
path: the plans go on without it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport
from asyncscribe.engine.overview import Overview
from asyncscribe.engine.roster import Roster
from asyncscribe.engine.tasks import Tasks
from asyncscribe.engine.watched import OnStatus, WatchedJob
from asyncscribe.errors import NotOpen, ServiceError, UnreadableAnswer
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Backoff, Random
from asyncscribe.policies.limits import Evidence
from asyncscribe.policies.polling import LATE, PollPlan, Strategy, choose_requests
from asyncscribe.policies.request_rate import Lane

#: GETs that only poll a status, at once. Further ones wait here, where a hint can still reach them.
POLLS_AT_ONCE = 50
#: Seconds after which the loop runs in any case.
HEARTBEAT = 0.5
#: From this many jobs on, a new one's turn does not wake the loop: it runs soon enough.
MANY = 10
#: Seconds. A delay the size of a rounding error would let no time pass on a coarser clock.
SOON = 0.001

#: Called with what a check showed, as evidence for the limit.
Observe = Callable[[Evidence], None]


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """The watched jobs at one moment.

    Attributes:
        watched: Jobs that are waited for.
        processing: Of those, seen running.
        queued: Of those, seen queued at the service.
        checks: GETs answered so far.
        queued_checks: Times that a check found a job still queued, over all jobs: the sign of the account's limit.
        pages: List pages read so far.
        duration: Mean seconds from submission to end of the jobs that ended lately; None before the first.
    """

    watched: int
    processing: int
    queued: int
    checks: int
    queued_checks: int
    pages: int
    duration: float | None


class Watcher:
    """Waits for jobs.

    Args:
        transport: Sends.
        tasks: Owns the loop, which runs while there is a job to watch, and the reading of pages.
        polling: Delays between the GETs of one job.
        observe: Called with how many jobs run and how many are queued.
        is_wanted: Whether somebody waits for a slot, so that other clients' jobs matter even with one job in flight.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        transport: Transport,
        tasks: Tasks,
        polling: Backoff,
        observe: Observe | None = None,
        is_wanted: Callable[[], bool] = lambda: False,
        rng: Random = random.random,
    ) -> None:
        self._transport = transport
        self._tasks = tasks
        self._polling = polling
        self._observe = observe
        self._is_wanted = is_wanted
        self._rng = rng
        self._roster = Roster(rng, self._noted)
        self._overview = Overview(transport, polling)
        self._running = False
        self._changed = asyncio.Event()
        self._earliest = float("inf")
        self._polls = 0
        self._observed_at = float("-inf")
        self._checks = 0
        self._now: Callable[[], float] = lambda: asyncio.get_running_loop().time()

    def statistics(self) -> WatcherStatistics:
        """The present counts."""
        sightings = self._roster.sightings
        return WatcherStatistics(
            watched=len(self._roster),
            processing=sightings.count(TranscriptStatus.PROCESSING),
            queued=sightings.count(TranscriptStatus.QUEUED),
            checks=self._checks,
            queued_checks=sightings.queued_checks,
            pages=self._overview.pages,
            duration=sightings.duration,
        )

    async def wait(
        self,
        transcript_id: TranscriptId,
        *,
        new: bool = False,
        known: bool = False,
        on_status: OnStatus | None = None,
        priority: int = 0,
    ) -> Transcript:
        """Wait until the job has ended and return its transcript, completed or failed.

        Failing requests only prolong the wait; they don't affect the job. Any number of callers can wait for one job,
        and each can be cancelled without disturbing the others.

        Args:
            transcript_id: The job.
            new: It was submitted just now, so the first GET comes after the first delay instead of at once.
            known: The service is known to have it, so that a refusal is doubted.
            on_status: Called with the status when it is first seen and whenever it changes.
            priority: Its rank among the requests that wait.

        Raises:
            APIError: No such transcript is known to exist; the error names the id.
            WaitRefused: The service repeatedly refused to show it.
            WaitInterrupted: The service could not be reached for too long; the job goes on.
            NotOpen: The client is not open, or was closed meanwhile.
        """
        while True:
            job = self._roster.jobs.get(transcript_id)
            if job is None:
                return await self._lead(transcript_id, on_status, priority, new=new, known=known or new)
            # Another caller polls it already. If that one is cancelled, the next one takes over.
            if on_status is not None:
                job.on_status.append(on_status)
            try:
                await job.ended.wait()
            finally:
                if on_status is not None:
                    job.on_status.remove(on_status)
            if isinstance(job.result, Transcript):
                return job.result
            if job.result is not None:
                raise job.result

    def hint(self, transcript_id: TranscriptId) -> None:
        """Check a job now, if it is watched: an outside signal, such as a webhook, says that it has ended."""
        job = self._roster.jobs.get(transcript_id)
        if job is not None:
            self._roster.hinted(job, self._now())

    # One wait.

    async def _lead(
        self, transcript_id: TranscriptId, on_status: OnStatus | None, priority: int, *, new: bool, known: bool
    ) -> Transcript:
        now = self._now()
        plan = PollPlan.begin(self._polling, now, self._rng, new=new)
        job = WatchedJob(transcript_id, plan, new, known, [] if on_status is None else [on_status])
        request = protocol.get_transcript(transcript_id)
        self._ensure_running()
        if new and self._list_leads:
            # It will be on a page soon.
            plan.due = max(plan.due, now + 2 * self._gap(now))
        self._roster.join(job, now)
        try:
            while job.result is None:
                await self._turn(job)
                await self._check(job, request, priority)
        finally:
            self._roster.leave(job)
            job.ended.set()
            if not self._roster:
                self._changed.set()
        if isinstance(job.result, Exception):
            raise job.result
        return job.result

    async def _turn(self, job: WatchedJob) -> None:
        """Wait until its GET is due."""
        if not self._running:
            raise NotOpen
        job.turn = asyncio.get_running_loop().create_future()
        self._roster.note(job)
        try:
            await job.turn
        finally:
            job.turn = None

    async def _check(self, job: WatchedJob, request: protocol.Request[Transcript], priority: int) -> None:
        """GET the job: its transcript if it has ended, else its status."""
        hinted, job.hinted = job.hinted, False
        # Somebody waits for an expected result; nobody waits for a poll.
        lane = Lane.RESULTS if hinted else Lane.POLLS
        self._polls += not hinted
        try:
            transcript = await self._transport.send(request, lane=lane, priority=priority, retry=False)
            if transcript.id != job.id:
                raise UnreadableAnswer(str(request), f"the answer is transcript {transcript.id}")
        except ServiceError as error:
            job.failed(error, self._now(), self._rng)
        else:
            self._checks += 1
            self._answered(job, transcript, hinted=hinted)
        finally:
            self._polls -= not hinted
            if self._polls == POLLS_AT_ONCE - 1:
                self._changed.set()

    def _answered(self, job: WatchedJob, transcript: Transcript, *, hinted: bool) -> None:
        now = self._now()
        job.answered()
        self._roster.saw(job, transcript.status, throttled=transcript.throttled)
        if transcript.is_final:
            if job.new:
                self._roster.sightings.took(now - job.plan.since)
            job.result = transcript
            return
        job.plan.answered(now, self._rng, hinted=hinted)
        if job.hinted:
            # A hint that came during the GET may be newer than its answer.
            job.plan.hinted(now)
        self._observe_without_list(now)

    # The loop.

    def _ensure_running(self) -> None:
        if not self._running:
            self._tasks.start_soon(self._run)
            self._running = True
            # Bound once, because it is called several times per request.
            self._now = asyncio.get_running_loop().time
            self._overview.start_over(self._now())

    def _noted(self, due: float) -> None:
        if due < self._earliest and not self._list_leads:
            self._changed.set()

    @property
    def _list_leads(self) -> bool:
        """Whether the loop runs often enough for the list's sake: with many jobs, pages put most turns off."""
        return len(self._roster) >= MANY and not self._overview.failures

    async def _run(self) -> None:
        """Give each job its turn and read the list, for as long as there is a job."""
        # Created here, because the client may have been opened in another loop before.
        self._changed = asyncio.Event()
        try:
            while self._roster:
                now = self._now()
                # In this order, because without the list turns may come earlier.
                next_look = self._look_at_list(now)
                next_turn = self._give_turns(now)
                if self._list_leads:
                    earliest = min(next_look, now + HEARTBEAT)
                else:
                    # Nothing wakes the loop when somebody starts to wait for a slot.
                    earliest = min(next_turn, next_look, now + max(HEARTBEAT, LATE * self._roster.age(now)))
                # Not at once: waits that were given their turn have to run first.
                self._earliest = max(earliest, now + SOON)
                await self._until(self._earliest)
        finally:
            self._running = False
            # Empty, unless the client was closed.
            self._roster.close(NotOpen())

    async def _until(self, moment: float) -> None:
        self._changed.clear()
        loop = asyncio.get_running_loop()
        timer = loop.call_at(moment, self._changed.set) if moment < float("inf") else None
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _give_turns(self, now: float) -> float:
        """Give all due jobs their turn; return when the next turn comes."""
        postponed = []
        for job in self._roster.due(now + SOON):
            if job.is_listed and not job.hinted and not self._overview.failures:
                job.plan.sighted(self._roster.sightings.duration)
            if job.plan.due > now + SOON:
                # A page has put it off.
                self._roster.note(job)
            elif not job.hinted and self._polls >= POLLS_AT_ONCE:
                postponed.append(job)
            else:
                job.give_turn()
        for job in postponed:
            self._roster.note(job)
        # The next check that ends makes room for a postponed one.
        return float("inf") if postponed else self._roster.next_turn

    def _look_at_list(self, now: float) -> float:
        """Start to read the list if it is due; return when it will be."""
        if self._overview.is_reading:
            return float("inf")
        strategy = choose_requests(len(self._roster), self._roster.sightings.others, wanted=self._is_wanted())
        if strategy is Strategy.NONE:
            self._roster.follow_schedules(now)
            self._roster.hurry_the_last()
            return float("inf")
        due = self._overview.due(self._gap(now))
        if now + SOON < due:
            return due
        self._overview.begin(now)
        self._tasks.start_soon(self._read_list, strategy)
        return float("inf")

    def _gap(self, now: float) -> float:
        return self._overview.gap(len(self._roster), self._roster.sightings.duration, self._roster.age(now))

    # The list.

    async def _read_list(self, strategy: Strategy) -> None:
        try:
            statuses, whole = await self._overview.read(strategy, len(self._roster))
        except (ServiceError, TimeoutError) as error:
            self._list_failed(error)
        else:
            now = self._now()
            self._roster.listed(statuses, now, whole=whole)
            self._tell(now)
        finally:
            self._overview.end()
            self._changed.set()

    def _list_failed(self, error: Exception) -> None:
        now = self._now()
        self._overview.failed(error, now, self._gap(now))
        self._roster.sightings.unlisted(now)
        self._roster.follow_schedules(now)
        self._changed.set()

    def _observe_without_list(self, now: float) -> None:
        """Take the evidence from GETs where the list gives none."""
        if (self._overview.failures or len(self._roster) == 1) and now - self._observed_at >= self._gap(now):
            self._roster.sightings.unlisted(now)
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._observed_at = now
        evidence = self._roster.sightings.take(now)
        if self._observe is not None:
            self._observe(evidence)

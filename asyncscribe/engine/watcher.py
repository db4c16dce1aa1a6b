"""Waiting for jobs: each wait sends its own GETs, and one loop says when.

Only a GET ends a wait. The loop keeps the plan of all jobs (`policies.polling`), tells each wait when its turn has
come, and reads list pages beside that, whose hints bring turns forward or let them wait. A list that fails, hangs or
lies needs no path of its own: the plans go on without it.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count

import anyio

from asyncscribe.api import protocol
from asyncscribe.api.listing import pages
from asyncscribe.api.transport import Transport
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import APIError, NotOpen, ServiceError, UnreadableAnswer, WaitInterrupted, WaitRefused
from asyncscribe.logs import log
from asyncscribe.models.transcript import FINAL_STATUSES, Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Backoff, Random
from asyncscribe.policies.evidence import Sightings
from asyncscribe.policies.limits import Evidence
from asyncscribe.policies.polling import LATE, Pace, PollPlan, Strategy, choose_requests, most_pages
from asyncscribe.policies.window import Lane

#: Seconds of failed GETs after which a wait is given up: the job's result stays at the service for weeks.
PATIENCE = 30 * 60.0
#: Seconds, and GETs, for which a refusal of a job that the service had is doubted: a proxy, a deployment or a replica
#: that lags may refuse for a moment what was paid for.
DOUBTED_FOR = 60.0
DOUBTED_TIMES = 4
#: Seconds that a look at the list may take.
LIST_TIMEOUT = 5.0
#: GETs that only ask how a job is, at once. The others wait here, where a hint can still reach them.
POLLS_AT_ONCE = 50
#: The place of pages among polls that wait for the allowance: one shows up to 200 jobs.
PAGE_PRIORITY = 1
#: Seconds after which the loop comes by in any case.
HEARTBEAT = 0.5
#: From so many jobs on, the loop is not woken for the turn of a new one: it comes by soon enough.
MANY = 10
#: Seconds. A rounding error's worth of waiting would let no time pass on a clock of coarser steps.
SOON = 0.001

#: Takes what a check showed, as evidence for the limit.
Observe = Callable[[Evidence], None]
#: Takes the status of a job when it is first seen and whenever it changes.
OnStatus = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """The watched jobs at one moment.

    Attributes:
        watched: Jobs that are waited for.
        processing: Of those, seen running.
        queued: Of those, seen waiting at the service.
        checks: GETs answered so far.
        queued_checks: Of all jobs in all checks so far, those that were found still waiting: the rate-limit signal.
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


@dataclass(slots=True, eq=False)
class _WatchedJob:
    """A job that is waited for; times in seconds of the loop's clock."""

    id: TranscriptId
    plan: PollPlan
    new: bool
    #: Whether the service is known to have it, so that a refusal is doubted.
    known: bool
    on_status: list[OnStatus]
    #: Ends when its turn has come; None while its GET is under way.
    turn: asyncio.Future[None] | None = None
    #: When the loop looks at it next; what the loop has noted for another moment is void.
    noted: float = float("inf")
    #: Whether the last look at the list showed it running.
    is_listed: bool = False
    status: str | None = None
    hinted: bool = False
    failing_since: float | None = None
    refused_since: float | None = None
    refusals: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    result: Transcript | Exception | None = None


class Watcher:
    """Waits for jobs.

    Args:
        transport: Sends.
        tasks: Owns the loop, which runs while there is a job to watch, and the reading of pages.
        polling: Delays between the GETs of one job.
        observe: Told how many jobs run and how many are queued.
        is_wanted: Whether somebody waits for a slot, so that even a lone job has to learn what others do.
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
        self._pace = Pace(polling)
        self._observe = observe
        self._is_wanted = is_wanted
        self._rng = rng
        self._jobs: dict[TranscriptId, _WatchedJob] = {}
        # By id, so that one that has ended is not kept, with its transcript, until its next turn would have come.
        self._agenda: list[tuple[float, int, TranscriptId]] = []
        self._notes = count()
        self._sightings = Sightings()
        self._running = False
        self._changed = asyncio.Event()
        self._earliest = float("inf")
        self._polls = 0
        self._reading = False
        self._list_due = self._listed_at = self._observed_at = float("-inf")
        self._list_failures = 0
        self._requests_of_a_look = 1
        self._checks = self._pages = 0
        self._now: Callable[[], float] = lambda: asyncio.get_running_loop().time()

    def statistics(self) -> WatcherStatistics:
        """The present counts."""
        return WatcherStatistics(
            watched=len(self._jobs),
            processing=self._sightings.count(TranscriptStatus.PROCESSING),
            queued=self._sightings.count(TranscriptStatus.QUEUED),
            checks=self._checks,
            queued_checks=self._sightings.queued_checks,
            pages=self._pages,
            duration=self._sightings.duration,
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

        Failing requests only stretch the wait; the job does not suffer from them. Any number of callers can wait for
        one job, and each can be cancelled without disturbing the others.

        Args:
            transcript_id: The job.
            new: It was submitted just now, so the first GET comes after the first delay instead of at once.
            known: The service is known to have it, so that a refusal is doubted.
            on_status: Called with the status when it is first seen and whenever it changes.
            priority: Its place among the requests that wait.

        Raises:
            APIError: There is no such transcript, as far as is known; the error names the id.
            WaitRefused: The service refused to show it, again and again.
            WaitInterrupted: The service could not be asked for too long; the job goes on.
            NotOpen: The client is not open, or was closed meanwhile.
        """
        while True:
            job = self._jobs.get(transcript_id)
            if job is None:
                return await self._lead(transcript_id, on_status, priority, new=new, known=known or new)
            # Somebody waits already. Should that one leave, whoever is next goes on in its place.
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
        job = self._jobs.get(transcript_id)
        if job is not None:
            self._hinted(job)

    # One wait.

    async def _lead(
        self, transcript_id: TranscriptId, on_status: OnStatus | None, priority: int, *, new: bool, known: bool
    ) -> Transcript:
        now = self._now()
        plan = PollPlan.begin(self._polling, now, self._rng, new=new)
        job = _WatchedJob(transcript_id, plan, new, known, [] if on_status is None else [on_status])
        request = protocol.get_transcript(transcript_id)
        self._ensure_running()
        if new and self._list_leads:
            # It will be on a page before long.
            plan.due = max(plan.due, now + 2 * self._gap(now))
        self._jobs[transcript_id] = job
        self._sightings.joined(transcript_id, now)
        try:
            while job.result is None:
                await self._turn(job)
                await self._check(job, request, priority)
        finally:
            del self._jobs[transcript_id]
            self._sightings.left(transcript_id)
            job.ended.set()
            if not self._jobs:
                self._changed.set()
        if isinstance(job.result, Exception):
            raise job.result
        return job.result

    async def _turn(self, job: _WatchedJob) -> None:
        """Wait until its GET is due."""
        if not self._running:
            raise NotOpen
        job.turn = asyncio.get_running_loop().create_future()
        self._note(job)
        try:
            await job.turn
        finally:
            job.turn = None

    async def _check(self, job: _WatchedJob, request: protocol.Request[Transcript], priority: int) -> None:
        """Ask for the job: its transcript if it has ended, else how it is."""
        hinted, job.hinted = job.hinted, False
        # What is expected to be a result is waited for by somebody; a poll is not.
        lane = Lane.RESULTS if hinted else Lane.POLLS
        self._polls += not hinted
        try:
            transcript = await self._transport.send(request, lane=lane, priority=priority, retry=False)
            if transcript.id != job.id:
                raise UnreadableAnswer(str(request), f"the answer is transcript {transcript.id}")
        except ServiceError as error:
            self._failed(job, error)
        else:
            self._checks += 1
            self._answered(job, transcript, hinted=hinted)
        finally:
            self._polls -= not hinted
            if self._polls == POLLS_AT_ONCE - 1:
                self._changed.set()

    def _answered(self, job: _WatchedJob, transcript: Transcript, *, hinted: bool) -> None:
        now = self._now()
        job.known = True
        job.failing_since = job.refused_since = None
        job.refusals = 0
        self._set_status(job, transcript.status, throttled=transcript.throttled)
        if transcript.is_final:
            if job.new:
                self._sightings.took(now - job.plan.since)
            job.result = transcript
            return
        job.plan.answered(now, self._rng, hinted=hinted)
        if job.hinted:
            # What came while the GET was under way may be newer than its answer.
            job.plan.hinted(now)
        self._observe_without_list(now)

    def _failed(self, job: _WatchedJob, error: ServiceError) -> None:
        now = self._now()
        if not error.transient:
            self._refused(job, error, now)
        else:
            job.failing_since = now if job.failing_since is None else job.failing_since
            if now - job.failing_since >= PATIENCE:
                job.result = WaitInterrupted(f"the service could not be asked ({error})", job.id)
            log.info("a check of %s failed: %s", job.id, error, extra={"transcript_id": job.id})
        job.plan.failed(now, self._rng)

    def _refused(self, job: _WatchedJob, error: ServiceError, now: float) -> None:
        if not job.known or not isinstance(error, APIError):
            job.result = error
            return
        job.refusals += 1
        job.refused_since = now if job.refused_since is None else job.refused_since
        if now - job.refused_since >= DOUBTED_FOR and job.refusals >= DOUBTED_TIMES:
            job.result = WaitRefused(error, job.id)
        elif job.refusals == 1:
            log.warning("%s is refused (%s); asking again for a minute", job.id, error, extra={"transcript_id": job.id})

    def _set_status(self, job: _WatchedJob, status: str, *, throttled: bool | None = None) -> None:
        if status == TranscriptStatus.QUEUED and throttled is False:
            # The service's own word that the account's limit is not what the job waits for.
            status = TranscriptStatus.PROCESSING
        job.status = status
        if self._sightings.seen(job.id, status):
            for tell in tuple(job.on_status):
                tell(status)

    def _hinted(self, job: _WatchedJob) -> None:
        job.hinted = True
        now = self._now()
        job.plan.hinted(now)
        if job.turn is None or job.turn.done():
            return
        if job.plan.due <= now:
            job.turn.set_result(None)
        else:
            self._note(job)

    # The loop.

    def _ensure_running(self) -> None:
        if not self._running:
            self._tasks.start_soon(self._run)
            self._running = True
            # Asked for several times a request.
            self._now = asyncio.get_running_loop().time
            self._listed_at = self._now()
            self._list_failures = 0

    def _note(self, job: _WatchedJob) -> None:
        """Put the job on the agenda for when it is due, unless it stands there for an earlier moment."""
        due = job.plan.due
        if job.noted <= due:
            return
        job.noted = due
        heapq.heappush(self._agenda, (due, next(self._notes), job.id))
        if due < self._earliest and not self._list_leads:
            self._changed.set()

    @property
    def _list_leads(self) -> bool:
        """Whether the loop comes by for the list often enough: with many jobs most turns are put off by pages."""
        return len(self._jobs) >= MANY and not self._list_failures

    async def _run(self) -> None:
        """Tell each job when its turn has come and look at the list, for as long as there is a job."""
        # A new one, as the client may have been opened in another loop before.
        self._changed = asyncio.Event()
        try:
            while self._jobs:
                now = self._now()
                # In this order: without a list, turns may come earlier.
                next_look = self._look_at_list(now)
                next_turn = self._give_turns(now)
                if self._list_leads:
                    earliest = min(next_look, now + HEARTBEAT)
                else:
                    # Whether somebody waits for a slot may change without a word.
                    earliest = min(next_turn, next_look, now + max(HEARTBEAT, LATE * self._age(now)))
                # Not at once: what was told its turn has to run first.
                self._earliest = max(earliest, now + SOON)
                await self._until(self._earliest)
        finally:
            self._running = False
            # Empty, unless the client was closed.
            for job in list(self._jobs.values()):
                job.result = NotOpen()
                if job.turn is not None and not job.turn.done():
                    job.turn.set_result(None)
            self._agenda.clear()

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
        """Tell all whose turn it is; return when the next one's comes."""
        agenda = self._agenda
        postponed = []
        while agenda and agenda[0][0] <= now + SOON:
            noted, _, transcript_id = heapq.heappop(agenda)
            job = self._jobs.get(transcript_id)
            if job is None or noted != job.noted:
                continue
            job.noted = float("inf")
            if job.turn is None or job.turn.done():
                continue
            if job.is_listed and not job.hinted and not self._list_failures:
                job.plan.sighted(self._sightings.duration)
            if job.plan.due > now + SOON:
                # A page has let it wait.
                self._note(job)
            elif not job.hinted and self._polls >= POLLS_AT_ONCE:
                postponed.append(job)
            else:
                job.turn.set_result(None)
        for job in postponed:
            self._note(job)
        # The next check that ends makes room for one that was postponed.
        return float("inf") if postponed else agenda[0][0] if agenda else float("inf")

    def _look_at_list(self, now: float) -> float:
        """Begin to read pages if it is time; return when it will be."""
        if self._reading:
            return float("inf")
        watched = len(self._jobs)
        strategy = choose_requests(watched, self._sightings.others, wanted=self._is_wanted())
        if strategy is Strategy.NONE:
            self._follow_schedules(now)
            self._hurry_the_last()
            return float("inf")
        if not self._list_failures:
            self._list_due = self._listed_at + self._gap(now)
        if now + SOON < self._list_due:
            return self._list_due
        self._reading = True
        self._listed_at = now
        self._tasks.start_soon(self._read_list, strategy)
        return float("inf")

    def _hurry_the_last(self) -> None:
        """Ask for a lone job about as often as for many by the list: it is what the end of a batch waits for."""
        duration = self._sightings.duration
        for job in self._jobs.values():
            if duration is not None and job.turn is not None:
                job.plan.hurried(2 * LATE * duration)
                self._note(job)

    def _gap(self, now: float) -> float:
        age = self._age(now)
        watched = max(1, len(self._jobs))
        return self._pace.gap(watched, self._requests_of_a_look, self._sightings.duration or age, age)

    def _age(self, now: float) -> float:
        # Jobs join at the end, so the first is the oldest.
        return now - next(iter(self._jobs.values())).plan.since if self._jobs else 0.0

    # The list.

    async def _read_list(self, strategy: Strategy) -> None:
        requests = self._pages
        try:
            with anyio.fail_after(LIST_TIMEOUT):
                statuses, whole = await self._statuses(strategy)
        except (ServiceError, TimeoutError) as error:
            self._list_failed(error)
        else:
            self._list_failures = 0
            self._requests_of_a_look = max(1, self._pages - requests)
            self._listed(statuses, whole=whole)
        finally:
            self._reading = False
            self._changed.set()

    def _list_failed(self, error: Exception) -> None:
        now = self._now()
        refused = isinstance(error, ServiceError) and not error.transient
        self._list_failures += 1
        self._list_due = now + self._pace.after_failure(self._gap(now), self._list_failures, refused=refused)
        if refused:
            log.warning("the list of transcripts is refused (%s); asking for each job by itself", error)
        else:
            log.info("the list of transcripts is unavailable: %s", str(error) or "it took too long")
        self._sightings.unlisted(now)
        self._follow_schedules(now)
        self._changed.set()

    def _follow_schedules(self, now: float) -> None:
        """Let no GET wait any longer because a page had shown its job running: no page follows that takes it back."""
        for job in self._jobs.values():
            if job.is_listed:
                self._vanished(job, now, whole=False)

    def _vanished(self, job: _WatchedJob, now: float, *, whole: bool) -> None:
        """A job that was listed is on no page any more: it has ended, or is too old for them if they were not all."""
        job.is_listed = False
        if whole:
            self._hinted(job)
            return
        job.plan.unlisted(now, self._rng)
        if job.turn is not None:
            self._note(job)

    async def _statuses(self, strategy: Strategy) -> tuple[dict[TranscriptId, str], bool]:
        """The statuses on the pages, and whether every job in flight must be among them."""
        if strategy is Strategy.NEWEST:
            return (await self._read(None, 1))[0], False
        # In this order: a job that is started between the two requests is seen twice, not never.
        most = most_pages(len(self._jobs))
        statuses, all_queued = await self._read(TranscriptStatus.QUEUED, most)
        processing, all_processing = await self._read(TranscriptStatus.PROCESSING, most)
        return {**statuses, **processing}, all_queued and all_processing

    async def _read(self, status: TranscriptStatus | None, most: int) -> tuple[dict[TranscriptId, str], bool]:
        """The statuses on at most so many pages, and whether these are all there are."""
        statuses: dict[TranscriptId, str] = {}
        read = 0
        listing = pages(self._transport, status=status, lane=Lane.POLLS, priority=PAGE_PRIORITY, retry=False)
        async with aclosing(listing) as listed:
            async for page in listed:
                read += 1
                self._pages += 1
                for item in page.items:
                    statuses[item.id] = item.status
                if page.older is None:
                    return statuses, True
                if read == most:
                    break
        return statuses, False

    def _listed(self, statuses: dict[TranscriptId, str], *, whole: bool) -> None:
        """Take what the pages show: who is still there, who has ended, and what others have in flight."""
        now = self._now()
        for job in self._jobs.values():
            status = statuses.pop(job.id, None)
            if status is None:
                if job.is_listed:
                    self._vanished(job, now, whole=whole)
            elif status in FINAL_STATUSES:
                job.status = status
                self._sightings.seen(job.id, status)
                self._hinted(job)
            else:
                # What that means for its plan is worked out when its turn would have come.
                job.is_listed = True
                if status != job.status:
                    self._set_status(job, status)
        self._sightings.listed(statuses, now)
        self._tell(now)

    def _observe_without_list(self, now: float) -> None:
        """Where the list tells nothing, GETs have to."""
        if (self._list_failures or len(self._jobs) == 1) and now - self._observed_at >= self._gap(now):
            self._sightings.unlisted(now)
            self._tell(now)

    def _tell(self, now: float) -> None:
        self._observed_at = now
        evidence = self._sightings.take(now)
        if self._observe is not None:
            self._observe(evidence)

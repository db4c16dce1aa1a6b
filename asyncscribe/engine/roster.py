"""All watched jobs: when each is polled next, and how hints and list pages change that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from asyncscribe.engine.agenda import Agenda
from asyncscribe.engine.watched import WatchedJob
from asyncscribe.models.transcript import FINAL_STATUSES, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.evidence import Sightings
from asyncscribe.policies.polling import LATE


class Roster:
    """The watched jobs.

    Args:
        random: Gives numbers in [0, 1), for the jitter.
        noted: Called with the moment for which a job was put on the agenda.

    Attributes:
        jobs: The jobs by id, oldest first.
        sightings: What was seen of them and of other clients' jobs.
    """

    def __init__(self, random: Random, noted: Callable[[float], None]) -> None:
        self.jobs: dict[TranscriptId, WatchedJob] = {}
        self.sightings = Sightings()
        self._agenda = Agenda()
        self._random = random
        self._noted = noted

    def __len__(self) -> int:
        return len(self.jobs)

    def join(self, job: WatchedJob, now: float) -> None:
        """Start watching a job."""
        self.jobs[job.id] = job
        self.sightings.joined(job.id, now)

    def leave(self, job: WatchedJob) -> None:
        """Stop watching it."""
        del self.jobs[job.id]
        self.sightings.left(job.id)

    def close(self, error: Exception) -> None:
        """End all waits with an error."""
        for job in list(self.jobs.values()):
            job.result = error
            job.give_turn()
        self._agenda.clear()

    def age(self, now: float) -> float:
        """Seconds since the oldest was submitted."""
        # Jobs join at the end, so the first is the oldest.
        return now - next(iter(self.jobs.values())).plan.since if self.jobs else 0.0

    @property
    def next_turn(self) -> float:
        """When the next turn comes."""
        return self._agenda.earliest

    def due(self, until: float) -> Iterator[WatchedJob]:
        """The jobs whose turn comes by then; each is removed from the agenda."""
        return (job for job in self._agenda.take(until, self.jobs) if job.is_waiting)

    def note(self, job: WatchedJob) -> None:
        """Put a job on the agenda for when it is due, unless it is already there for an earlier moment."""
        if self._agenda.note(job):
            self._noted(job.noted)

    def hinted(self, job: WatchedJob, now: float) -> None:
        """Poll the job soon: something says that it has ended."""
        job.hinted = True
        job.plan.hinted(now)
        if not job.is_waiting:
            return
        if job.plan.due <= now:
            job.give_turn()
        else:
            self.note(job)

    def saw(self, job: WatchedJob, status: str, *, throttled: bool | None = None) -> None:
        """Apply a job's status, and call its `on_status` callbacks if it changed.

        Args:
            job: The job.
            status: Its status.
            throttled: Whether the account's limit holds it back, if the service says.
        """
        if status == TranscriptStatus.QUEUED and throttled is False:
            # The service itself says that the account's limit does not hold the job back.
            status = TranscriptStatus.PROCESSING
        job.status = status
        if self.sightings.seen(job.id, status):
            for tell in tuple(job.on_status):
                tell(status)

    def listed(self, statuses: dict[TranscriptId, str], now: float, *, whole: bool) -> None:
        """Apply what the pages show: which jobs run, which have ended, and what others have in flight.

        Args:
            statuses: The statuses on the pages; those left over belong to others.
            now: Seconds.
            whole: Whether the pages must show every job in flight.
        """
        for job in self.jobs.values():
            status = statuses.pop(job.id, None)
            if status is None:
                if job.is_listed:
                    self._vanished(job, now, whole=whole)
            elif status in FINAL_STATUSES:
                job.status = status
                self.sightings.seen(job.id, status)
                self.hinted(job, now)
            else:
                # Its plan is adjusted when its turn would have come.
                job.is_listed = True
                if status != job.status:
                    self.saw(job, status)
        self.sightings.listed(statuses, now)

    def follow_schedules(self, now: float) -> None:
        """Put all jobs back on their own schedules: no further page is coming that would justify a later GET."""
        for job in self.jobs.values():
            if job.is_listed:
                self._vanished(job, now, whole=False)

    def _vanished(self, job: WatchedJob, now: float, *, whole: bool) -> None:
        """A listed job is on no page any more: it has ended, or, if not all pages were read, is too old for them."""
        job.is_listed = False
        if whole:
            self.hinted(job, now)
            return
        job.plan.unlisted(now, self._random)
        if job.turn is not None:
            self.note(job)

    def hurry_the_last(self) -> None:
        """Poll a lone job about as often as the list is read for many: the end of a batch waits for it."""
        duration = self.sightings.duration
        for job in self.jobs.values():
            if duration is not None and job.turn is not None:
                job.plan.hurried(2 * LATE * duration)
                self.note(job)

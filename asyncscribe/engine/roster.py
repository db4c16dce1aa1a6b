"""All jobs that are waited for: when each is looked at next, and what hints and pages change about that."""

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
        jobs: The jobs by their ids, the oldest first.
        sightings: What was seen of them, and of others' jobs.
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
        """Watch a job from now on."""
        self.jobs[job.id] = job
        self.sightings.joined(job.id, now)

    def leave(self, job: WatchedJob) -> None:
        """Watch it no more."""
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
        """Those that wait for a turn which comes until then; each is off the agenda."""
        return (job for job in self._agenda.take(until, self.jobs) if job.is_waiting)

    def note(self, job: WatchedJob) -> None:
        """Put a job on the agenda for when it is due, unless it stands there for an earlier moment."""
        if self._agenda.note(job):
            self._noted(job.noted)

    def hinted(self, job: WatchedJob, now: float) -> None:
        """Something says that the job has ended: it is asked for soon."""
        job.hinted = True
        job.plan.hinted(now)
        if not job.is_waiting:
            return
        if job.plan.due <= now:
            job.give_turn()
        else:
            self.note(job)

    def saw(self, job: WatchedJob, status: str, *, throttled: bool | None = None) -> None:
        """Take the status of a job, and tell it to those who wait if it is another one.

        Args:
            job: The job.
            status: Its status.
            throttled: Whether the account's limit is what it waits for, if the service says.
        """
        if status == TranscriptStatus.QUEUED and throttled is False:
            # The service's own word that the account's limit is not what the job waits for.
            status = TranscriptStatus.PROCESSING
        job.status = status
        if self.sightings.seen(job.id, status):
            for tell in tuple(job.on_status):
                tell(status)

    def listed(self, statuses: dict[TranscriptId, str], now: float, *, whole: bool) -> None:
        """Take what the pages show: who is still there, who has ended, and what others have in flight.

        Args:
            statuses: The statuses on the pages; what is left of them in the end is others'.
            now: Seconds.
            whole: Whether every job in flight must be among them.
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
                # What that means for its plan is worked out when its turn would have come.
                job.is_listed = True
                if status != job.status:
                    self.saw(job, status)
        self.sightings.listed(statuses, now)

    def follow_schedules(self, now: float) -> None:
        """Let no GET wait any longer because a page had shown its job running: no page follows that takes it back."""
        for job in self.jobs.values():
            if job.is_listed:
                self._vanished(job, now, whole=False)

    def _vanished(self, job: WatchedJob, now: float, *, whole: bool) -> None:
        """A job that was listed is on no page any more: it has ended, or is too old for them if they were not all."""
        job.is_listed = False
        if whole:
            self.hinted(job, now)
            return
        job.plan.unlisted(now, self._random)
        if job.turn is not None:
            self.note(job)

    def hurry_the_last(self) -> None:
        """Ask for a lone job about as often as for many by the list: it is what the end of a batch waits for."""
        duration = self.sightings.duration
        for job in self.jobs.values():
            if duration is not None and job.turn is not None:
                job.plan.hurried(2 * LATE * duration)
                self.note(job)

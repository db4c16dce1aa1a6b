"""The outcomes of all jobs, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from asyncscribe.engine.handle import LiveJob
from asyncscribe.lifecycle import JobState


@dataclass(frozen=True, slots=True)
class JobTotals:
    """The outcomes of the client's jobs so far.

    Attributes:
        started: Jobs that were started.
        completed: Jobs that ended with a transcript.
        failed: Jobs that ended without one.
        abandoned: Jobs that nobody waited for to the end; those already at the service go on there.
        submissions: Submissions that the service accepted.
        resubmissions: Jobs to submit again because the service had failed them.
        audio_seconds: Length of all audio that was transcribed.
    """

    started: int = 0
    completed: int = 0
    failed: int = 0
    abandoned: int = 0
    submissions: int = 0
    resubmissions: int = 0
    audio_seconds: float = 0.0


class JobCounts:
    """Counts the outcomes of jobs.

    Attributes:
        submissions: Submissions that the service accepted.
        resubmissions: Jobs to submit again.
    """

    def __init__(self) -> None:
        self.submissions = self.resubmissions = 0
        self._ended: Counter[JobState] = Counter()
        self._audio_seconds = 0.0

    def ended(self, job: LiveJob) -> None:
        """Count a job that has ended."""
        self._ended[job.state] += 1
        if job.transcript is not None:
            self._audio_seconds += job.transcript.audio_duration or 0.0

    def totals(self, active: int) -> JobTotals:
        """The counts so far.

        Args:
            active: Jobs that have not ended.
        """
        return JobTotals(
            started=active + self._ended.total(),
            completed=self._ended[JobState.COMPLETED],
            failed=self._ended[JobState.FAILED],
            abandoned=self._ended[JobState.ABANDONED],
            submissions=self.submissions,
            resubmissions=self.resubmissions,
            audio_seconds=self._audio_seconds,
        )

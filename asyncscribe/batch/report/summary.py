"""What a journal adds up to. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from asyncscribe.batch.journal.ledger import ENDED
from asyncscribe.batch.journal.records import Entry, SavedState
from asyncscribe.lifecycle import JobState

#: Reasons that are kept.
MOST_REASONS = 20


@dataclass(slots=True)
class Summary:
    """The counts of a batch.

    Attributes:
        recordings: All of them, by the last step of their job.
        waiting: Recordings that have no job yet.
        problems: Recordings that could not be transcribed when that was last tried; the next run tries again.
        audio_seconds: Length of what was transcribed, each job once.
        submissions: Paid or unpaid submissions of all jobs.
        resubmissions: Of those, the ones after a failure of the service.
        detected: Jobs of which it is known when they ended at the service.
        detection_seconds: How long after that this was noticed, all together.
        failures: Failed jobs by kind.
        reasons: Why the first recordings failed, or could not be transcribed, by name.
    """

    recordings: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    problems: int = 0
    audio_seconds: float = 0.0
    submissions: int = 0
    resubmissions: int = 0
    detected: int = 0
    detection_seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    _jobs: set[int] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """Count a recording."""
        job = entry.job
        self._take_reason(entry)
        if job is None:
            self.waiting += entry.problem is None
            return
        self.recordings[job.step.value] += 1
        if job.key in self._jobs:
            return
        self._jobs.add(job.key)
        self.submissions += len(job.ids)
        self.resubmissions += max(0, len(job.ids) - 1)
        if job.step is SavedState.COMPLETED:
            self.audio_seconds += job.audio_seconds or 0.0
        if ENDED in job.times and JobState.COMPLETED.value in job.times:
            self.detected += 1
            self.detection_seconds += job.times[JobState.COMPLETED] - job.times[ENDED]
        if job.step is SavedState.FAILED:
            self.failures[job.category or "unknown"] += 1

    def _take_reason(self, entry: Entry) -> None:
        failed = entry.job is not None and entry.job.step is SavedState.FAILED
        self.problems += entry.problem is not None and not failed
        if (failed or entry.reason) and len(self.reasons) < MOST_REASONS:
            self.reasons[entry.recording.name] = entry.reason or "no reason given"

"""The totals of a journal, from its entries. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.batch.journal.ledger import ENDED
from asyncscribe.batch.journal.records import Entry, SavedState
from asyncscribe.batch.journal.totals import MOST_REASONS, Totals
from asyncscribe.lifecycle import JobState


@dataclass(slots=True)
class Summary(Totals):
    """The counts of a batch, recording by recording."""

    _jobs: set[int] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """Count a recording."""
        job = entry.job
        self._take_reason(entry)
        if job is None or job.step is SavedState.FOUND:
            self.pending += 1
        else:
            self.recordings[job.step.value] += 1
        if job is None or job.key in self._jobs:
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

"""The totals of a journal, whoever counts them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Reasons that are kept.
MOST_REASONS = 20


@dataclass(slots=True)
class Totals:
    """The counts of a batch.

    Attributes:
        recordings: Those whose job was begun, by its last step.
        pending: The others: without a job, or with one that was not begun.
        problems: How many of both could not be transcribed at the last try; the next run tries again.
        audio_seconds: Length of what was transcribed, each job once.
        submissions: Paid or unpaid submissions of all jobs.
        resubmissions: Of those, the ones after a failure of the service.
        detected: Jobs whose end at the service has a known time.
        detection_seconds: Seconds from those ends until they were noticed, summed.
        failures: Failed jobs by kind.
        reasons: Why the first recordings failed, or could not be transcribed, by name.
    """

    recordings: Counter[str] = field(default_factory=Counter)
    pending: int = 0
    problems: int = 0
    audio_seconds: float = 0.0
    submissions: int = 0
    resubmissions: int = 0
    detected: int = 0
    detection_seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

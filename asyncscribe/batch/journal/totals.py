"""What a journal adds up to, whoever counts it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Reasons that are kept.
MOST_REASONS = 20


@dataclass(slots=True)
class Totals:
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

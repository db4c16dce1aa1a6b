"""Which failed job is submitted again. The table of the service's failure texts is data and can be replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from asyncscribe.errors import FailureCategory
from asyncscribe.policies.backoff import Backoff, Random

INPUT, SERVER, UNCLEAR = FailureCategory.INPUT, FailureCategory.SERVER, FailureCategory.UNCLEAR


@dataclass(frozen=True, slots=True)
class FailureRule:
    """Texts that match `pattern` (a regular expression, from the start, case ignored) are of `category`."""

    pattern: str
    category: FailureCategory


#: The service's `error` texts, from its documentation and from answers seen in the wild. The first match counts. The
#: full stop at the end varies, so the patterns match beginnings.
FAILURE_RULES: tuple[FailureRule, ...] = (
    FailureRule(r"internal server error", SERVER),
    FailureRule(r"server error", SERVER),
    # An address that answered with a 4xx will do so again; one that could not be reached may work next time.
    FailureRule(r"download error.*\b4\d\d\b", INPUT),
    FailureRule(r"download error", UNCLEAR),
    FailureRule(r"(transcoding failed\. )?file does not appear to contain audio", INPUT),
    FailureRule(r"transcoding failed", INPUT),
    FailureRule(r"audio duration is too short", INPUT),
    FailureRule(r"language_detection cannot be performed", INPUT),
    FailureRule(r"detected language .* is below the requested confidence threshold", INPUT),
    FailureRule(r"audio speech threshold .* is below the requested", INPUT),
)


@dataclass(frozen=True, slots=True)
class Resubmission:
    """Submit the job again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class ResubmissionPolicy:
    """Resubmits jobs that failed through the service's own fault.

    The service's documentation recommends it ("so that another server takes the file") and its guides try once more
    after 5 s; failed jobs are not charged. A model can also fail on the same file every time, hence the limits.

    Attributes:
        limits: Resubmissions allowed for a job, by category of its latest failure.
        backoff: Delays before them, seconds.
        rules: How texts are sorted into categories; a text that nothing matches is `UNCLEAR`.
    """

    limits: Mapping[FailureCategory, int] = field(
        default_factory=lambda: MappingProxyType({SERVER: 3, UNCLEAR: 1, INPUT: 0})
    )
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=2, factor=2, maximum=30, jitter=0.5))
    rules: Sequence[FailureRule] = FAILURE_RULES

    @classmethod
    def at_most(cls, limit: int) -> ResubmissionPolicy:
        """The default policy with another limit for failures of the service; 0 never resubmits."""
        return cls(limits={SERVER: limit, UNCLEAR: min(limit, 1), INPUT: 0})

    def category(self, text: str | None) -> FailureCategory:
        """The category of a failed transcript's text."""
        for rule in self.rules:
            if re.match(rule.pattern, (text or "").strip(), re.IGNORECASE | re.DOTALL):
                return rule.category
        return UNCLEAR

    def decide(self, text: str | None, submissions: int, random: Random) -> Resubmission | None:
        """Whether to submit again a job that failed with `text` after `submissions` submissions."""
        if submissions > self.limits.get(self.category(text), 0):
            return None
        return Resubmission(self.backoff.delay(submissions - 1, random))

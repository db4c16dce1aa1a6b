"""How long a submission that got no answer is looked for before it is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmissionPolicy:
    """Times for a submission in doubt: the request may have arrived, and its answer was lost.

    The job may be in the account's list at once, later (the list can lag, the server can still be at work), or never.
    So it is looked for at growing gaps, and submitted again only after a quiet time and one more look.

    Attributes:
        lookups: Seconds after the failure at which the list is looked at, growing.
        quiet: Seconds after the failure before the submission may be repeated. How long the real service can take
            is unknown; 60 s is double its load balancers' usual idle timeout.
        settled: Seconds after which a submission that an earlier process began can't be under way any more, however
            often that process repeated it: then one look tells whether it made a job.
        attempts: Submissions at most, the first one included, before the last failure is raised.
        again: Seconds from one look to the next once all others were made, while the list is unavailable.
        patience: Seconds for which an unavailable list is asked for before the doubt is given up and raised.
    """

    lookups: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    quiet: float = 60.0
    settled: float = 6 * 3600.0
    attempts: int = 5
    again: float = 10.0
    patience: float = 1800.0

    def __post_init__(self) -> None:
        if list(self.lookups) != sorted(self.lookups) or any(time < 0 for time in self.lookups):
            raise ValueError(f"SubmissionPolicy.lookups must be growing numbers of seconds, not {self.lookups}")
        if self.quiet < 0 or self.attempts < 1 or self.settled < self.quiet:
            raise ValueError("SubmissionPolicy: quiet must be at least 0, attempts 1, and settled as long as quiet")
        if self.again <= 0 or self.patience < 0:
            raise ValueError("SubmissionPolicy: again must be above 0, and patience not below")

    def gaps(self) -> Iterator[float]:
        """Seconds to wait before each look, from one to the next; the last look is at the end of the quiet time."""
        before = 0.0
        for time in (*(time for time in self.lookups if time < self.quiet), self.quiet):
            yield time - before
            before = time

"""How long the job of an unanswered submission is looked for before the submission is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubmissionPolicy:
    """Times for a submission in doubt: the request may have arrived, and its answer was lost.

    The job may be in the account's list at once, later (the list can lag, the server can still be at work), or never.
    So lookups are made at growing gaps, and it is submitted again only after a quiet time and one last lookup.

    Attributes:
        lookups: Seconds after the failure at which the list is read, growing.
        quiet: Seconds after the failure before the submission may be repeated. How long the real service can take
            is unknown; 60 s is double its load balancers' usual idle timeout.
        settled: Seconds after which a submission that an earlier process began can't be under way any more, however
            often that process repeated it: then one lookup decides whether it made a job.
        attempts: Submissions at most, the first one included, before the last failure is raised.
        again: Seconds between further lookups after all planned ones, while the list is unavailable.
        patience: Seconds for which an unavailable list is requested before the doubt is raised as an error.
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
            raise ValueError("SubmissionPolicy: quiet must be at least 0, attempts at least 1, settled at least quiet")
        if self.again <= 0 or self.patience < 0:
            raise ValueError("SubmissionPolicy: again must be above 0, and patience at least 0")

    def gaps(self) -> Iterator[float]:
        """Seconds to wait before each lookup; the last one is at the end of the quiet time."""
        before = 0.0
        for time in (*(time for time in self.lookups if time < self.quiet), self.quiet):
            yield time - before
            before = time

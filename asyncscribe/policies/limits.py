"""How many jobs may be in flight at the service. A `Limit` decides; the `Limiter` blocks and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

#: Jobs that a free account runs at once; paid accounts start at 200 (https://www.assemblyai.com/docs, rate limits).
FREE_ACCOUNT_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Others:
    """The jobs of the key's project that are not this client's, as the list pages showed them.

    Only a hint: the account's limit counts the jobs of all its projects, and a key shows one.

    Attributes:
        processing: Running.
        queued: Queued at the service.
    """

    processing: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the service showed at one moment.

    Attributes:
        now: Seconds on any monotonic clock; only differences count.
        processing: Own jobs seen running.
        queued: Own jobs that were still queued when they were checked again. The first answer does not count: the
            service was seen to answer `queued` to every submission, far below its limit.
        wanted: Most jobs that waited for a slot here since the previous evidence; 0 means that the limit does not hold
            the client back.
        others: The jobs of other clients; None where the list is unavailable.
        duration: Mean time from submission to end of the jobs that ended lately, seconds; None before the first.
        ended: Own jobs that have ended according to the list, and still hold their slots here.
    """

    now: float
    processing: int
    queued: int
    wanted: int = 0
    others: Others | None = None
    duration: float | None = None
    ended: int = 0


@runtime_checkable
class Limit(Protocol):
    """Decides how many jobs may be in flight. Pure: no I/O, no clock, no task."""

    @property
    def initial(self) -> int:
        """The limit before any evidence, at least 1."""
        ...

    def update(self, evidence: Evidence) -> int:
        """The limit from now on, at least 1."""
        ...


@dataclass(frozen=True, slots=True)
class FixedLimit:
    """A given bound, lowered by the jobs that the service keeps in its queue.

    While own jobs are in the service's queue, the account's limit is below the bound. Each of them lowers the limit by
    one, so the queue shrinks to at most half the difference but never empties: the account stays busy.

    Attributes:
        bound: Most jobs in flight, at least 1.
    """

    bound: int = FREE_ACCOUNT_LIMIT

    def __post_init__(self) -> None:
        if self.bound < 1:
            raise ValueError(f"the number of concurrent jobs must be at least 1, not {self.bound}")

    @property
    def initial(self) -> int:
        """The bound."""
        return self.bound

    def update(self, evidence: Evidence) -> int:
        """The bound minus the own jobs that are queued at the service, at least 1."""
        return max(1, self.bound - evidence.queued)

"""What happened in a simulation, and how it is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

#: Seconds over which a measure is averaged to say that the account has settled.
SETTLED = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """One client at one full second.

    Attributes:
        limit: What its limit was.
        running: Jobs in slots of the account.
        queued: Jobs in the service's queue.
    """

    limit: int
    running: int
    queued: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened, second by second.

    Attributes:
        busy: Mean share of the account's slots in use, at most 1.
        queue: Mean number of jobs in the service's queue.
        clients: Of each client that adapts, a sample per second.
        neighbour: The same of the one that doesn't; empty where there is none.
    """

    busy: Sequence[float]
    queue: Sequence[float]
    clients: Sequence[Sequence[Sample]]
    neighbour: Sequence[Sample] = ()

    def mean_busy(self, start: float, end: float) -> float:
        """Share of the slots in use between two times."""
        return fmean(self.busy[int(start) : int(end)])

    def mean_queue(self, start: float, end: float) -> float:
        """Jobs in the service's queue between two times."""
        return fmean(self.queue[int(start) : int(end)])

    def shares(self, start: float, end: float) -> list[float]:
        """Each client's mean number of running jobs between two times."""
        return [fmean(sample.running for sample in samples[int(start) : int(end)]) for samples in self.clients]

    def fairness(self, start: float, end: float) -> float:
        """Jain's index of the shares: 1 for equal ones, 1/n when one of n clients has all."""
        shares = self.shares(start, end)
        squares = sum(share * share for share in shares)
        return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0

    def settles(self, step: float, end: float, *, busy: float, queue: float) -> float:
        """Seconds from a step until the account is as it should be, infinity if it isn't by the end.

        That is the first second from which on the mean of ten seconds and the mean of all that is left until `end` have
        at least that share of the slots busy, and at most that many jobs in the queue.
        """
        for second in range(int(step), int(end) - SETTLED):
            periods = ((second, second + SETTLED), (second, end))
            if all(self.mean_busy(*period) >= busy and self.mean_queue(*period) <= queue for period in periods):
                return second - step
        return math.inf

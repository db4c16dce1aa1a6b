"""Limits to compare with: what the usual rules do when they see a client's own jobs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asyncscribe.policies.limits import FREE_ACCOUNT_LIMIT, Evidence

#: Seconds between two cuts: the signs of one excess count once. A quarter of the simulated mean duration.
BETWEEN_CUTS = 5.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A limit that ignores what it sees.

    Attributes:
        initial: The limit.
    """

    initial: int

    def update(self, evidence: Evidence) -> int:  # noqa: ARG002 - it never adapts
        """The same limit again."""
        return self.initial


class OwnAimd:
    """Additive increase, multiplicative decrease: a job more per mean duration of 20 s, a tenth less per queue seen."""

    def __init__(self) -> None:
        self._limit = float(FREE_ACCOUNT_LIMIT)
        self._now = self._cut = -math.inf
        self._slow_start = True

    @property
    def initial(self) -> int:
        """The limit before anything was seen."""
        return FREE_ACCOUNT_LIMIT

    def update(self, evidence: Evidence) -> int:
        """The limit from now on."""
        elapsed = evidence.now - self._now if self._now > -math.inf else 0.0
        self._now = evidence.now
        if evidence.queued:
            if evidence.now - self._cut >= BETWEEN_CUTS:
                self.cut(evidence.now)
        elif evidence.wanted:
            self.grow(elapsed)
        return int(self._limit)

    def cut(self, now: float) -> None:
        """Give way to others."""
        self._slow_start = False
        self._cut = now
        self._limit = max(1.0, self._limit * 0.9)

    def grow(self, elapsed: float) -> None:
        """Take more, some seconds after the last growth."""
        self._limit = min(self._limit * 1.25, self.goal(elapsed))

    def goal(self, elapsed: float) -> float:
        """Where growth leads."""
        return self._limit * 2 ** (elapsed / 2) if self._slow_start else self._limit + elapsed / 20


class OwnCubic(OwnAimd):
    """The cubic of RFC 9438, in units of the limit at the last cut, half a mean duration (10 s) as the unit of time."""

    def __init__(self) -> None:
        super().__init__()
        self._before = 0.0

    def cut(self, now: float) -> None:
        """Give way, and remember from where."""
        self._before = self._limit
        super().cut(now)

    def goal(self, elapsed: float) -> float:
        """Back to where the last cut was, then beyond."""
        if self._slow_start:
            return super().goal(elapsed)
        unit = 0.05 * self._before
        plateau = 10 * math.cbrt((self._before - 0.9 * self._before) / unit)
        return max(self._limit, self._before + unit * ((self._now - self._cut - plateau) / 10) ** 3)

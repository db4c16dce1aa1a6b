"""The account's limit of HTTP requests. Pure: no I/O and no clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests are accepted in any window of so many seconds.

    Attributes:
        requests: Requests that are accepted in a window, at least 1.
        seconds: Length of the window, above 0.
    """

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1:
            raise ValueError(f"a rate limit is at least 1 request, not {self.requests}")
        if not self.seconds > 0:
            raise ValueError(f"a rate limit's window is longer than 0 seconds, not {self.seconds}")


class Rate:
    """Says which requests are accepted: a sliding window over those that were.

    Refused requests don't count, so that a wait that was told is always long enough.

    Args:
        limit: What is accepted; None accepts everything.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._accepted: deque[float] = deque()
        self._refused = 0

    @property
    def refused(self) -> int:
        """Requests that were refused so far."""
        return self._refused

    def take(self, now: float) -> int:
        """Count a request.

        Args:
            now: The present time in seconds, never less than before.

        Returns:
            0 if it is accepted, otherwise the whole seconds until one would be, at least 1.
        """
        if self._limit is None:
            return 0
        self._forget(now - self._limit.seconds)
        if len(self._accepted) < self._limit.requests:
            self._accepted.append(now)
            return 0
        self._refused += 1
        return max(1, math.ceil(self._accepted[0] + self._limit.seconds - now))

    def _forget(self, until: float) -> None:
        while self._accepted and self._accepted[0] <= until:
            self._accepted.popleft()

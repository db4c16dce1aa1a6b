"""The account's limit of HTTP requests. Pure: no I/O and no clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests are accepted in any window of a given length.

    Attributes:
        requests: Requests that are accepted in a window, at least 1.
        seconds: Length of the window, above 0.
    """

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1:
            raise ValueError(f"a rate limit must be at least 1 request, not {self.requests}")
        if not self.seconds > 0:
            raise ValueError(f"a rate limit's window must be longer than 0 seconds, not {self.seconds}")


class Rate:
    """Decides which requests are accepted: a sliding window over those that were.

    Refused requests don't count, so that the reported wait is always long enough.

    Args:
        limit: The rate limit; None accepts everything.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        #: When each of the accepted requests leaves the window.
        self._leaving: deque[float] = deque()
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
        while self._leaving and self._leaving[0] <= now:
            self._leaving.popleft()
        if len(self._leaving) < self._limit.requests:
            self._leaving.append(now + self._limit.seconds)
            return 0
        self._refused += 1
        return math.ceil(self._leaving[0] - now)

"""How many requests may be sent, and how many of them may be repeats. Pure: the time comes in.

The service allows an account 20,000 requests in 300 s. A token bucket keeps to that: tokens come at a steady rate, and
a small store of them allows a burst. A full store spent at once and the rate after it must together stay below the
allowance in any window, so the rate is what the allowance leaves after the burst.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpBudget:
    """The requests that a client may send.

    Attributes:
        requests: Requests in a window, at least 20. 20,000 is the service's limit for a whole account: give each of
            several processes its share.
        seconds: Length of the window, seconds.
        burst: The share of the requests that may be sent at once, above 0 and below 1.
        reserve: The share of the burst that looks at the status of jobs leave to submissions and results.
    """

    requests: int = 20_000
    seconds: float = 300.0
    burst: float = 0.05
    reserve: float = 0.5

    def __post_init__(self) -> None:
        if self.requests < 20 or not 0 < self.seconds < float("inf"):
            raise ValueError(f"HttpBudget needs 20 requests or more in some seconds, not {self.requests}")
        if not 0 < self.burst < 1 or not 0 <= self.reserve < 1:
            raise ValueError("HttpBudget.burst and reserve are shares below 1")

    @property
    def capacity(self) -> float:
        """Most requests sent at once, at least 1."""
        return max(1.0, self.requests * self.burst)

    @property
    def rate(self) -> float:
        """Requests per second in the long run."""
        return (self.requests - self.capacity) / self.seconds


class TokenBucket:
    """Says how long to wait before the next request; sleeps not itself.

    Args:
        capacity: Most tokens in store, at least 1; the bucket begins full.
        rate: Tokens that come per second, above 0.
    """

    def __init__(self, capacity: float, rate: float) -> None:
        self._capacity = capacity
        self._rate = rate
        self._tokens = capacity
        self._at = float("-inf")

    def level(self, now: float) -> float:
        """The share of the store that is there; below 0 while requests wait for tokens to come.

        Args:
            now: Seconds on any monotonic clock, the same in all calls.
        """
        if self._at == float("-inf"):
            self._at = now
        elif now > self._at:
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now
        return self._tokens / self._capacity

    def take(self, now: float) -> float:
        """Take a token, also one that has yet to come; return the seconds until it is there.

        Whoever asks earlier is served earlier: each caller waits behind the tokens that others were promised.
        """
        self.level(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def spare(self, now: float, reserve: float) -> float:
        """Seconds until the store holds a token above a reserve; 0 if it does now. Takes none.

        Args:
            now: See `level`.
            reserve: The share of the store that is not to be touched, 0 to below 1.
        """
        self.level(now)
        wanted = min(self._capacity, max(1.0, reserve * self._capacity + 1))
        return max(0.0, (wanted - self._tokens) / self._rate)


def stretch(level: float, reserve: float) -> float:
    """By how much looks at the status of jobs slow down as the budget runs short: 1 while it is full, at most 10.

    It grows without a step, as the reciprocal of what is left above the reserve, so that looks take less and less
    of a budget that is nearly spent and never stop.

    Args:
        level: The share of the store that is there.
        reserve: The share that is not for looks.
    """
    left = (level - reserve) / (1 - reserve)
    return min(10.0, 1 / max(0.1, left))


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many repeats of failed requests are sent, so that an outage is not multiplied by all who repeat.

    A repeat that finds the budget spent waits longer; it is never given up for that.

    Attributes:
        burst: Repeats that may be sent at once.
        rate: Repeats per second in the long run. At two a second, 200 jobs in flight that all fail add a thirtieth
            to what the service allows.
    """

    burst: int = 50
    rate: float = 2.0

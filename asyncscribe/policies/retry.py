"""Which failed request is sent again, and when; and how many of all requests may be such repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.errors import RateLimited, ServerError, ServiceError
from asyncscribe.policies.backoff import Backoff, Random


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Send the request again.

    Attributes:
        delay: Seconds to wait before. The pause that an answer asks for is kept by the gate, for everybody.
    """

    delay: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Repeats what can succeed later and is safe to repeat.

    A service that was never reached may have been given a wrong address: `attempts` bounds that. One that answered
    before has an outage, which is waited out for `patience` seconds.

    Attributes:
        attempts: How often a request is sent at least before it is given up, the first time included.
        patience: Seconds for which a request is repeated once the service has answered before.
        rate_limited: Seconds for which a request is repeated that is answered with 429; longer than the service's
            window of 300 s, because such an answer proves that the service is there.
        backoff: Delays between the attempts; full jitter by default.
        longest_pause: Longest `Retry-After` that is waited for, seconds; a longer one is raised as the error it came
            with. 300 s is the window of the service's rate limit.
    """

    attempts: int = 5
    patience: float = 120.0
    rate_limited: float = 900.0
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=0.5, factor=2, maximum=8, jitter=1))
    longest_pause: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.patience < 0 or self.rate_limited < 0 or self.longest_pause < 0:
            raise ValueError("RetryPolicy: attempts must be at least 1, and no time below 0")

    def decide(
        self, error: ServiceError, attempt: int, elapsed: float, *, safe: bool, reached: bool, random: Random
    ) -> RetryDecision | None:
        """Whether and when to send again a request that failed.

        Args:
            error: How it failed.
            attempt: Number of the attempt that failed, from 1.
            elapsed: Seconds since the first attempt began.
            safe: Whether doing it twice is harmless. If not, it is repeated only when the service has not acted.
            reached: Whether the service has answered any request before.
            random: Gives numbers in [0, 1).
        """
        if not error.transient or (error.may_have_acted and not safe):
            return None
        asked = error.retry_after if isinstance(error, RateLimited | ServerError) else None
        if asked is not None and asked > self.longest_pause:
            return None
        if isinstance(error, RateLimited):
            return RetryDecision(0.0) if elapsed < self.rate_limited else None
        if attempt >= self.attempts and not (reached and elapsed < self.patience):
            return None
        return RetryDecision(self.backoff.delay(attempt - 1, random))


class RetryBudget:
    """How many repeats may be sent, so that an outage is not multiplied by all who repeat. Pure: the time comes in.

    A repeat takes a token when it is due, and waits while there is none: nothing is reserved ahead, and there are no
    debts. A repeat that succeeds gives its token back, and each success adds a tenth of one; a trickle comes all the
    time. So during an outage the trickle is all that is sent, and the first successes free the others within seconds.
    The AWS SDKs' retry quota works alike (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

    Args:
        capacity: Most tokens, at least 1; all are there at the start.
        trickle: Tokens a second. At two, 200 jobs in flight that all fail add a thirtieth to what the service allows.
        earned: Tokens for a success.
    """

    def __init__(self, capacity: float = 50.0, trickle: float = 2.0, earned: float = 0.1) -> None:
        self._capacity = capacity
        self._trickle = trickle
        self._earned = earned
        self._tokens = capacity
        self._at = float("-inf")

    def level(self, now: float) -> float:
        """Repeats that may be sent at this moment.

        Args:
            now: Seconds on any monotonic clock, the same in all calls.
        """
        if now > self._at:
            passed = 0.0 if self._at == float("-inf") else now - self._at
            self._tokens = min(self._capacity, self._tokens + passed * self._trickle)
            self._at = now
        return self._tokens

    def delay(self, now: float) -> float:
        """Seconds until a repeat may be sent; 0 if one may now."""
        return max(0.0, (1 - self.level(now)) / self._trickle)

    def take(self, now: float) -> None:
        """A repeat is sent."""
        self._tokens = max(0.0, self.level(now) - 1)

    def succeeded(self, now: float, *, repeat: bool) -> None:
        """A request was answered properly."""
        self._tokens = min(self._capacity, self.level(now) + self._earned + repeat)

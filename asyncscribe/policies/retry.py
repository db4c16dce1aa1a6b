"""Which failed requests are sent again, and when; and how many repeats may be sent in all."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.errors import RateLimited, ServerError, ServiceError
from asyncscribe.policies.backoff import Backoff, Random


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Send the request again.

    Attributes:
        delay: Seconds to wait first. A pause that an answer asks for is kept by the gate, for all requests.
    """

    delay: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Repeats requests that can succeed later and are safe to repeat.

    If the service was never reached, the address may be wrong: `attempts` bounds the repeats. If it answered before,
    it has an outage, which is waited out for `patience` seconds.

    Attributes:
        attempts: How often a request is sent at least before it is given up, the first time included.
        patience: Seconds for which a request is repeated once the service has answered before.
        rate_limited: Seconds for which a request is repeated that is answered with 429; longer than the service's
            window of 300 s, because such an answer proves that the service is up.
        backoff: Delays between the attempts; full jitter by default.
        longest_pause: Longest `Retry-After` that is waited for, seconds; an answer with a longer one is raised as an
            error. 300 s is the window of the service's rate limit.
    """

    attempts: int = 5
    patience: float = 120.0
    rate_limited: float = 900.0
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=0.5, factor=2, maximum=8, jitter=1))
    longest_pause: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.patience < 0 or self.rate_limited < 0 or self.longest_pause < 0:
            raise ValueError("RetryPolicy: attempts must be at least 1, and all times at least 0")

    def decide(
        self, error: ServiceError, attempt: int, elapsed: float, *, safe: bool, reached: bool, random: Random
    ) -> RetryDecision | None:
        """Whether and when to repeat a failed request.

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
    """How many repeats may be sent, so that repeats don't multiply an outage. Pure: the time is an argument.

    A repeat takes a token when it is due, and waits while there is none: tokens are never reserved or borrowed. A
    repeat that succeeds returns its token, each success adds a tenth of one, and a trickle is added all the time. So
    during an outage only the trickle is sent, and the first successes release the others within seconds. The AWS SDKs'
    retry quota works alike (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

    Args:
        capacity: Most tokens, at least 1; full at the start.
        trickle: Tokens per second. At two, 200 jobs in flight that all fail use a thirtieth of the allowance.
        earned: Tokens for a success.
    """

    def __init__(self, capacity: float = 50.0, trickle: float = 2.0, earned: float = 0.1) -> None:
        self._capacity = capacity
        self._trickle = trickle
        self._earned = earned
        self._tokens = capacity
        self._at = float("-inf")

    def level(self, now: float) -> float:
        """Repeats that may be sent now.

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
        """A request succeeded."""
        self._tokens = min(self._capacity, self.level(now) + self._earned + repeat)

"""Which failed request is sent again, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.errors import RateLimited, ServerError, ServiceError
from asyncscribe.policies.backoff import Backoff, Random


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Send the request again.

    Attributes:
        delay: Seconds to wait before.
        pause_all: Whether the service asked for the wait, so that every request of the client has to keep it.
    """

    delay: float
    pause_all: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Repeats what can succeed later and is safe to repeat, a limited number of times.

    Attributes:
        attempts: How often a request is sent at most, the first time included.
        backoff: Delays between the attempts; full jitter by default.
        longest_pause: Longest `Retry-After` that is waited for, seconds; a longer one is raised as the error it came
            with. 300 s is the window of the service's rate limit.
    """

    attempts: int = 5
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=0.5, factor=2, maximum=30, jitter=1))
    longest_pause: float = 300.0

    def decide(self, error: ServiceError, attempt: int, *, safe: bool, random: Random) -> RetryDecision | None:
        """Whether and when to send again a request that failed.

        Args:
            error: How it failed.
            attempt: Number of the attempt that failed, from 1.
            safe: Whether doing it twice is harmless. If not, it is repeated only when the service has not acted.
            random: Gives numbers in [0, 1).
        """
        if attempt >= self.attempts or not error.transient or (error.may_have_acted and not safe):
            return None
        delay = self.backoff.delay(attempt - 1, random)
        asked = error.retry_after if isinstance(error, RateLimited | ServerError) else None
        if asked is None:
            return RetryDecision(delay, pause_all=isinstance(error, RateLimited))
        if asked > self.longest_pause:
            return None
        # The jitter comes on top: never earlier than asked, and not everybody at the same moment.
        return RetryDecision(asked + min(delay, 1.0), pause_all=isinstance(error, RateLimited))

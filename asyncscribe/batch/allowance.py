"""How much audio a run may have transcribed. Pure."""

from __future__ import annotations


class Allowance:
    """Admits recordings until their length adds up to the allowance.

    A recording of unknown length is admitted while anything is left. It counts as the mean of those that ended, and as
    what it was once it has ended too; so a run can exceed its allowance by what is in flight of those.

    Args:
        seconds: Seconds of audio; None admits everything.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._taken = 0.0
        self._ended = 0
        self._ended_seconds = 0.0
        #: Whether something was refused.
        self.exhausted = False

    @property
    def is_limited(self) -> bool:
        """Whether lengths matter at all."""
        return self._seconds is not None

    def admit(self, seconds: float | None) -> float | None:
        """What a recording of this length counts, in seconds, from now on; None if it may not be submitted."""
        if self._seconds is None:
            return 0.0
        self.exhausted = (
            self.exhausted or self._taken + (seconds or 0.0) > self._seconds or self._taken >= self._seconds
        )
        if self.exhausted:
            return None
        counted = seconds if seconds is not None else self._mean
        self._taken += counted
        return counted

    def correct(self, counted: float, actual: float | None) -> None:
        """Count a recording as what it turned out to be, 0 if it was not paid for; None if that is still unknown."""
        if actual is not None:
            self._taken += actual - counted
            if actual:
                self._ended += 1
                self._ended_seconds += actual

    @property
    def _mean(self) -> float:
        return self._ended_seconds / self._ended if self._ended else 0.0

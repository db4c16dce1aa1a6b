"""How much audio a run may have transcribed. Pure."""

from __future__ import annotations


class Allowance:
    """Admits recordings until their length adds up to the allowance.

    A recording of unknown length is admitted while anything is left, and counted once its length is known; so a run
    can exceed its allowance by what is in flight of those.

    Args:
        seconds: Seconds of audio; None admits everything.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._taken = 0.0
        #: Whether something was refused.
        self.exhausted = False

    @property
    def is_limited(self) -> bool:
        """Whether lengths matter at all."""
        return self._seconds is not None

    def admit(self, seconds: float | None) -> bool:
        """Whether a recording of this length may be submitted; if so, it counts."""
        if self._seconds is None:
            return True
        self.exhausted = (
            self.exhausted or self._taken + (seconds or 0.0) > self._seconds or self._taken >= self._seconds
        )
        if not self.exhausted:
            self._taken += seconds or 0.0
        return not self.exhausted

    def correct(self, admitted: float | None, actual: float | None) -> None:
        """Count what a recording turned out to be; 0 if it was not paid for."""
        if actual is not None:
            self._taken += actual - (admitted or 0.0)

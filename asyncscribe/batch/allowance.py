"""How much audio a run may have transcribed. Pure."""

from __future__ import annotations

from enum import Enum, auto

#: Seconds of the longest recording that the service accepts (its documentation, "limits").
LONGEST = 36_000.0


class Admission(Enum):
    """Whether the allowance admits a recording."""

    GRANTED = auto()
    """It may be submitted."""
    LATER = auto()
    """It may fit once the lengths of others under way are known: it has to wait for those."""
    REFUSED = auto()
    """It does not fit any more."""


class Allowance:
    """Admits new work until its lengths add up to the allowance, and holds back nothing else.

    A recording that does not fit is refused; a shorter one may still fit. Recordings of unknown length are admitted one
    at a time, so a run exceeds its allowance by one recording at most.

    Args:
        seconds: Seconds of audio, counting each channel that is paid for; None admits everything.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._taken = 0.0
        self._unknown = 0
        #: Whether something was refused.
        self.exhausted = False

    @property
    def is_limited(self) -> bool:
        """Whether lengths matter at all."""
        return self._seconds is not None

    def admit(self, seconds: float | None) -> Admission:
        """Ask for a recording.

        Args:
            seconds: Its length, which counts from now on if it is granted; None if unknown.
        """
        if self._seconds is None:
            return Admission.GRANTED
        if seconds is None and self._unknown:
            return Admission.LATER
        if self._taken >= self._seconds or self._taken + (seconds or 0.0) > self._seconds:
            self.exhausted = True
            return Admission.REFUSED
        self._taken += seconds or 0.0
        self._unknown += seconds is None
        return Admission.GRANTED

    def ended(self, admitted: float | None, actual: float | None) -> None:
        """A recording that was granted has ended.

        Args:
            admitted: The length that was asked for.
            actual: The actual length, 0 if nothing was paid; None if still unknown.
        """
        self._unknown -= admitted is None
        if actual is not None:
            self._taken += actual - (admitted or 0.0)

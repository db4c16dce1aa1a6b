"""How much audio a run may have transcribed. Pure."""

from __future__ import annotations

from enum import Enum, auto

#: Seconds of audio: the service takes no longer recordings (its documentation, "limits").
LONGEST = 36_000.0


class Admission(Enum):
    """What the allowance says to a recording."""

    GRANTED = auto()
    """It may be submitted."""
    LATER = auto()
    """It may fit once the length is known of others that are under way: it has to wait for those."""
    REFUSED = auto()
    """It does not fit any more."""


class Allowance:
    """Admits new work until its length adds up to the allowance, and holds back nothing else.

    What does not fit is refused, and what is shorter may still fit. Where lengths are unknown, recordings are admitted
    one at a time: so a run exceeds its allowance by one recording at most.

    Args:
        seconds: Seconds of audio, each channel that is paid for counted; None admits everything.
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
            seconds: Its length; None if that is unknown. It counts from now on, if it is granted.
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
            actual: What it turned out to be, 0 if it was not paid for; None if that is still unknown.
        """
        self._unknown -= admitted is None
        if actual is not None:
            self._taken += actual - (admitted or 0.0)

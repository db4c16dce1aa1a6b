"""What the end of a job means for its batch. Pure."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import Enum, auto

from asyncscribe.errors import (
    AccountError,
    BadRequest,
    ConnectFailed,
    JournalError,
    NotFound,
    TranscriptionFailed,
    WaitRefused,
)

#: After so many recordings in a row without a connection, no more are tried.
UNREACHABLE = 10
#: Errors of files that every further file would meet as well.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Ending(Enum):
    """How a job ended, as far as the journal is concerned."""

    COMPLETED = auto()
    """There is a transcript."""
    FAILED = auto()
    """For good: it is left alone unless a retry is asked for."""
    OPEN = auto()
    """The next run resumes it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the end of a job means.

    Attributes:
        ending: How it ended.
        reason: Why it failed.
        category: The kind of failure.
        stops: Whether every further recording would end the same way.
    """

    ending: Ending
    reason: str = ""
    category: str = ""
    stops: bool = False


def judge(error: Exception | None) -> Verdict:
    """The meaning of how a job ended.

    Args:
        error: What ended it; None for a transcript.
    """
    match error:
        case None:
            return Verdict(Ending.COMPLETED)
        case TranscriptionFailed():
            # Without the id, so that equal reasons are equal.
            return Verdict(Ending.FAILED, error.reason, error.category.value)
        case WaitRefused(refusal=NotFound()):
            reason = "the service does not have the transcript any more; --retry-failed pays for another one"
            return Verdict(Ending.FAILED, reason, "gone")
        case BadRequest():
            return Verdict(Ending.FAILED, str(error), "refused")
    return Verdict(Ending.OPEN, str(error), stops=isinstance(error, AccountError | JournalError))


def fills_up(error: Exception) -> bool:
    """Whether a file could not be written because the disk is full or read-only."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


class Reachability:
    """Counts the recordings in a row for which no connection could be made."""

    def __init__(self) -> None:
        self._failed = 0

    def ended(self, error: Exception | None) -> None:
        """A job ended."""
        self._failed = self._failed + 1 if isinstance(error, ConnectFailed) else 0

    @property
    def is_lost(self) -> bool:
        """Whether there were so many that no more are to be tried."""
        return self._failed >= UNREACHABLE

"""Events of jobs and of the client, as frozen values. Events only inform; they never hold up a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from asyncscribe.lifecycle import JobState
from asyncscribe.logs import log
from asyncscribe.models.transcript import TranscriptId

__all__ = [
    "Event",
    "EventHandler",
    "JobEvent",
    "LimitChanged",
    "RequestRetried",
    "RequestsPaused",
    "Resubmitting",
    "StateChanged",
    "UploadProgress",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something happened to one job.

    Attributes:
        job: The job's number, unique within its client, counted from 1.
        source: The source's name in messages.
        metadata: The request's metadata (`TranscriptionRequest.metadata`).
    """

    job: int
    source: str
    metadata: Any = field(default=None, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class StateChanged(JobEvent):
    """The job changed its state.

    Attributes:
        state: The new state.
        transcript_id: The service's id, once known.
        submissions: How many times it was submitted so far.
        detail: The reason, if there is one (a failure's text).
        may_exist: Whether it ended while a submission was in doubt, so that a job whose id is unknown may exist and be
            paid.
    """

    state: JobState
    transcript_id: TranscriptId | None = None
    submissions: int = 0
    detail: str | None = None
    may_exist: bool = False


@dataclass(frozen=True, slots=True)
class UploadProgress(JobEvent):
    """Bytes of the job's audio were handed to the connection.

    Attributes:
        sent: Bytes so far; less than before when a retry starts over.
        total: Bytes in all; None for a stream of unknown length.
    """

    sent: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Resubmitting(JobEvent):
    """The service failed the job, and it is submitted again.

    Attributes:
        transcript_id: The job that failed.
        reason: The service's text.
        delay: Seconds until the next submission.
    """

    transcript_id: TranscriptId
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """The limit changed.

    Attributes:
        limit: Jobs.
        basis: How it was found, in a few words (`policies.adaptive.Basis`); empty if the policy doesn't say.
    """

    limit: int
    basis: str = ""


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A request failed and is repeated.

    Attributes:
        request: Method and path.
        problem: What happened.
        delay: Seconds until the next attempt.
    """

    request: str
    problem: str
    delay: float


@dataclass(frozen=True, slots=True)
class RequestsPaused:
    """The service asked for a pause (429); no request of the client is sent meanwhile.

    Attributes:
        seconds: Length of the pause.
    """

    seconds: float


Event = StateChanged | UploadProgress | Resubmitting | LimitChanged | RequestRetried | RequestsPaused
"""The events that a handler is called with."""
EventHandler = Callable[[Event], None]
"""Called with every event, at once and on the event loop: it must not block and must not raise."""


def ignore(event: Event) -> None:
    """The handler that does nothing."""


class Listeners:
    """Passes every event on to any number of handlers.

    Args:
        first: A handler that is always called.
    """

    def __init__(self, first: EventHandler | None = None) -> None:
        self._handlers = [] if first is None else [guarded(first)]

    def __call__(self, event: Event) -> None:
        """Pass it on."""
        for handler in self._handlers:
            handler(event)

    @contextmanager
    def listening(self, handler: EventHandler) -> Iterator[None]:
        """Call this handler too, for as long as the context lasts."""
        added = guarded(handler)
        # A new list each time, because the old one may be iterated at the moment.
        self._handlers = [*self._handlers, added]
        try:
            yield
        finally:
            self._handlers = [other for other in self._handlers if other is not added]


def guarded(handler: Callable[[T], None]) -> Callable[[T], None]:
    """The handler, with its exceptions logged: a bug in a progress display must not fail a paid job."""

    def call(event: T) -> None:
        try:
            handler(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - whatever a caller's code may raise, CancelledError included
            log.exception("the event handler failed on %r", event)

    return call

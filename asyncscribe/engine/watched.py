"""A watched job: its plan, what was seen of it, and how long its failing checks are tolerated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from asyncscribe.errors import APIError, ServiceError, WaitInterrupted, WaitRefused
from asyncscribe.logs import log
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.polling import PollPlan

#: Seconds of failed GETs after which a wait is given up; the job's result stays at the service for weeks.
PATIENCE = 30 * 60.0
#: How many seconds and GETs a refusal of a job that the service had must last before it is believed: a proxy, a
#: deployment or a lagging replica may briefly refuse a paid job.
DOUBTED_FOR = 60.0
DOUBTED_TIMES = 4

#: Called with a job's status when it is first seen and whenever it changes.
OnStatus = Callable[[str], None]


@dataclass(slots=True, eq=False)
class WatchedJob:
    """A watched job; times in seconds of the loop's clock."""

    id: TranscriptId
    plan: PollPlan
    new: bool
    #: Whether the service is known to have it, so that a refusal is doubted.
    known: bool
    on_status: list[OnStatus]
    #: Done when its turn has come; None while its GET is under way.
    turn: asyncio.Future[None] | None = None
    #: When its turn comes next; agenda entries for another moment are void.
    noted: float = float("inf")
    #: Whether the last check of the list showed it running.
    is_listed: bool = False
    status: str | None = None
    hinted: bool = False
    failing_since: float | None = None
    refused_since: float | None = None
    refusals: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    result: Transcript | Exception | None = None

    def give_turn(self) -> bool:
        """Let its GET be sent; False if it is not waiting for its turn."""
        if self.turn is None or self.turn.done():
            return False
        self.turn.set_result(None)
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its turn."""
        return self.turn is not None and not self.turn.done()

    def answered(self) -> None:
        """The service has answered for it: earlier failures no longer count."""
        self.known = True
        self.failing_since = self.refused_since = None
        self.refusals = 0

    def failed(self, error: ServiceError, now: float, random: Random) -> None:
        """A GET has failed; the wait ends if GETs have failed for too long.

        Args:
            error: How it failed.
            now: Seconds.
            random: Gives numbers in [0, 1), for the jitter.
        """
        if not error.transient:
            self._refused(error, now)
        else:
            self.failing_since = now if self.failing_since is None else self.failing_since
            if now - self.failing_since >= PATIENCE:
                self.result = WaitInterrupted(f"the service could not be asked ({error})", self.id)
            log.info("a check of %s failed: %s", self.id, error, extra={"transcript_id": self.id})
        self.plan.failed(now, random)

    def _refused(self, error: ServiceError, now: float) -> None:
        if not self.known or not isinstance(error, APIError):
            self.result = error
            return
        self.refusals += 1
        self.refused_since = now if self.refused_since is None else self.refused_since
        if now - self.refused_since >= DOUBTED_FOR and self.refusals >= DOUBTED_TIMES:
            self.result = WaitRefused(error, self.id)
        elif self.refusals == 1:
            log.warning(
                "%s is refused (%s); asking again for a minute", self.id, error, extra={"transcript_id": self.id}
            )

"""Counts of a running batch, kept from its events. Knows no terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from asyncscribe.events import Event, LimitChanged, Resubmitting, StateChanged, UploadProgress
from asyncscribe.lifecycle import JobState, is_final

#: Seconds that a rate looks back.
RECENT = 60.0


class Rate:
    """An amount per second, lately.

    Args:
        clock: Seconds of any monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        #: Amounts by whole seconds, oldest first.
        self._amounts: deque[tuple[int, float]] = deque()

    def add(self, amount: float) -> None:
        """Add an amount."""
        second = int(self._clock())
        before = self._amounts.pop()[1] if self._amounts and self._amounts[-1][0] == second else 0.0
        self._amounts.append((second, before + amount))
        self._forget()

    @property
    def per_second(self) -> float:
        """The amount per second over the last minute, or since the start if that is more recent."""
        self._forget()
        passed = min(RECENT, self._clock() - self._begun)
        return sum(amount for _, amount in self._amounts) / passed if passed > 0 else 0.0

    def _forget(self) -> None:
        while self._amounts and self._amounts[0][0] < self._clock() - RECENT:
            self._amounts.popleft()


@dataclass(slots=True)
class Tally:
    """The numbers of a progress display.

    Attributes:
        done: Recordings with their files written.
        failed: Recordings without.
        total: Recordings in all; None until they are counted.
        known_before: Returns how many recordings an earlier run had done, or had given up.
        limit: Jobs that may be at the service at once, as last reported; None before.
        basis: How the limit was found.
        resubmitted: Jobs that were submitted again.
        ends: Recordings that ended.
        uploaded: Bytes that were sent to the service, including repeated uploads.
    """

    done: int = 0
    failed: int = 0
    total: int | None = None
    known_before: Callable[[], int] = lambda: 0
    limit: int | None = None
    basis: str = ""
    resubmitted: int = 0
    ends: Rate = field(default_factory=Rate)
    uploaded: Rate = field(default_factory=Rate)
    _sent: dict[int, int] = field(default_factory=dict)
    _states: dict[int, JobState] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Recordings that have ended, including those of earlier runs."""
        return self.known_before() + self.done + self.failed

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate of the last minute; None if unknown."""
        rate = self.ends.per_second
        return None if self.total is None or not rate else max(0, self.total - self.ended) / rate

    def take(self, event: Event) -> None:
        """Count an event of the client."""
        match event:
            case StateChanged() if is_final(event.state):
                self._states.pop(event.job, None)
                self._sent.pop(event.job, None)
            case StateChanged():
                self._states[event.job] = event.state
            case UploadProgress():
                before = self._sent.get(event.job, 0)
                # Less than before: a repeated upload starts over.
                self.uploaded.add(event.sent - before if event.sent >= before else event.sent)
                self._sent[event.job] = event.sent
            case LimitChanged():
                self.limit, self.basis = event.limit, event.basis
            case Resubmitting():
                self.resubmitted += 1

    def finished(self, *, ok: bool) -> None:
        """Count the end of a recording."""
        self.ends.add(1)
        if ok:
            self.done += 1
        else:
            self.failed += 1

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states now."""
        return sum(state in states for state in self._states.values())

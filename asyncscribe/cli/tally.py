"""Counts of a running batch, kept from its events. Knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.events import Event, LimitChanged, StateChanged, UploadProgress
from asyncscribe.lifecycle import JobState, is_final


@dataclass(slots=True)
class Tally:
    """What a progress display shows.

    Attributes:
        done: Recordings with their files written.
        failed: Recordings without.
        total: Recordings in all; None until they are counted.
        before: Recordings that an earlier run had done, or had given up.
        limit: Jobs that may be at the service at once, as last told; None before.
        basis: How that was found.
        uploaded: Bytes that were handed to the service, those of repeated uploads included.
    """

    done: int = 0
    failed: int = 0
    total: int | None = None
    before: int = 0
    limit: int | None = None
    basis: str = ""
    uploaded: int = 0
    _sent: dict[int, int] = field(default_factory=dict)
    _states: dict[int, JobState] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take an event of the client's."""
        match event:
            case StateChanged() if is_final(event.state):
                self._states.pop(event.job, None)
                self._sent.pop(event.job, None)
            case StateChanged():
                self._states[event.job] = event.state
            case UploadProgress():
                before = self._sent.get(event.job, 0)
                # Less than before: a repeated upload starts over.
                self.uploaded += event.sent - before if event.sent >= before else event.sent
                self._sent[event.job] = event.sent
            case LimitChanged():
                self.limit, self.basis = event.limit, event.basis

    def finished(self, *, ok: bool) -> None:
        """Take the end of a recording."""
        if ok:
            self.done += 1
        else:
            self.failed += 1

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states now."""
        return sum(state in states for state in self._states.values())

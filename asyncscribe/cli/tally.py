"""Counts of a running batch, kept from its events. Knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.events import Event, StateChanged
from asyncscribe.lifecycle import JobState, is_final


@dataclass(slots=True)
class Tally:
    """What a progress display shows.

    Attributes:
        done: Recordings with their files written.
        failed: Recordings without.
        total: Recordings in all; None until they are counted.
    """

    done: int = 0
    failed: int = 0
    total: int | None = None
    _states: dict[int, JobState] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take an event of the client's."""
        if isinstance(event, StateChanged):
            if is_final(event.state):
                self._states.pop(event.job, None)
            else:
                self._states[event.job] = event.state

    def finished(self, *, ok: bool) -> None:
        """Take the end of a recording."""
        if ok:
            self.done += 1
        else:
            self.failed += 1

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states now."""
        return sum(state in states for state in self._states.values())

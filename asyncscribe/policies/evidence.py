"""The state of the jobs in flight, gathered from GETs and list pages, as evidence for the limit. Pure.

A job counts as queued only if it was in flight at the previous check already, because the answer to a submission says
`queued` on an idle account too. If the transcript's `throttled` says otherwise, that is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncscribe.models.transcript import TranscriptId, TranscriptStatus
from asyncscribe.policies.limits import Evidence, Others

#: Weight of the newest in the running mean of the jobs' durations, which spans the last 50 or so.
FRESHNESS = 0.04
#: Seconds after which the list's counts of others are outdated.
FORGOTTEN = 15.0


@dataclass(slots=True)
class _Sight:
    since: float
    status: str | None = None


class Sightings:
    """The jobs in flight, as they were last seen. Times in seconds on any one monotonic clock."""

    def __init__(self) -> None:
        self._own: dict[TranscriptId, _Sight] = {}
        self._strange: frozenset[TranscriptId] = frozenset()
        self._others: Others | None = None
        self._listed_at = float("-inf")
        self._now = self._before = float("-inf")
        self.duration: float | None = None
        self.queued_checks = 0

    def __len__(self) -> int:
        return len(self._own)

    @property
    def others(self) -> int:
        """Other jobs of the project in flight, as last seen."""
        return self._others.processing + self._others.queued if self._others else 0

    def count(self, status: TranscriptStatus) -> int:
        """Own jobs last seen in this state."""
        return sum(sight.status == status for sight in self._own.values())

    def joined(self, transcript_id: TranscriptId, now: float) -> None:
        """A job is now in flight."""
        self._own[transcript_id] = _Sight(now)

    def seen(self, transcript_id: TranscriptId, status: str) -> bool:
        """Record a job's status; return whether it changed."""
        sight = self._own.get(transcript_id)
        if sight is None or sight.status == status:
            return False
        sight.status = status
        return True

    def left(self, transcript_id: TranscriptId) -> None:
        """A job is no longer in flight, or no longer watched."""
        self._own.pop(transcript_id, None)

    def took(self, seconds: float) -> None:
        """A job that was submitted here took this long."""
        known = self.duration
        self.duration = seconds if known is None else known + FRESHNESS * (seconds - known)

    def listed(self, unknown: Mapping[TranscriptId, str], now: float) -> None:
        """The list shows these jobs, which are not watched here, with their states.

        A job counts as another client's only if the previous reading showed it too: an own job may be listed before
        its submission is answered.
        """
        strange = [status for id_, status in unknown.items() if id_ in self._strange and id_ not in self._own]
        self._strange = frozenset(unknown)
        self._others = Others(strange.count(TranscriptStatus.PROCESSING), strange.count(TranscriptStatus.QUEUED))
        self._listed_at = now

    def unlisted(self, now: float) -> None:
        """The list is unavailable; its last counts are believed for a little longer."""
        if now - self._listed_at > FORGOTTEN:
            self._others = None

    def take(self, now: float) -> Evidence:
        """The evidence at this moment."""
        self._before, self._now = self._now, now
        processing = queued = ended = 0
        for sight in self._own.values():
            if sight.status == TranscriptStatus.PROCESSING:
                processing += 1
            elif sight.status == TranscriptStatus.QUEUED:
                queued += sight.since <= self._before
            elif sight.status is not None:
                ended += 1
        self.queued_checks += queued
        return Evidence(now, processing, queued, others=self._others, duration=self.duration, ended=ended)

"""What is known of the jobs in flight, put together from GETs and pages, as evidence for the limit. Pure.

A job counts as queued if it was seen so although it had been there at the previous check: the answer to a submission
says `queued` on an idle account too. Where the transcript's `throttled` says otherwise, that is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncscribe.models.transcript import TranscriptId, TranscriptStatus
from asyncscribe.policies.limits import Evidence, Others

#: Weight of the newest in the running mean of the jobs' durations: that of the last 50 or so.
FRESHNESS = 0.04
#: Seconds after which what the list said of others is no longer true.
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
        """A job is in flight."""
        self._own[transcript_id] = _Sight(now)

    def seen(self, transcript_id: TranscriptId, status: str) -> bool:
        """A job was seen in a state; whether that is news."""
        sight = self._own.get(transcript_id)
        if sight is None or sight.status == status:
            return False
        sight.status = status
        return True

    def left(self, transcript_id: TranscriptId) -> None:
        """A job is not in flight any more, or not watched."""
        self._own.pop(transcript_id, None)

    def took(self, seconds: float) -> None:
        """A job that was submitted here has ended after so long."""
        known = self.duration
        self.duration = seconds if known is None else known + FRESHNESS * (seconds - known)

    def listed(self, unknown: Mapping[TranscriptId, str], now: float) -> None:
        """The list shows these jobs, which are not watched here, with their states.

        Only what was there in the look before as well counts as another's: an own job may be listed before its
        submission is answered.
        """
        strange = [status for id_, status in unknown.items() if id_ in self._strange and id_ not in self._own]
        self._strange = frozenset(unknown)
        self._others = Others(strange.count(TranscriptStatus.PROCESSING), strange.count(TranscriptStatus.QUEUED))
        self._listed_at = now

    def unlisted(self, now: float) -> None:
        """The list is unavailable; what it said is believed for a little longer."""
        if now - self._listed_at > FORGOTTEN:
            self._others = None

    def take(self, now: float) -> Evidence:
        """What all that says at this moment."""
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

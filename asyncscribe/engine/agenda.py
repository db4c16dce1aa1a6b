"""When each watched job is polled next."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import count

from asyncscribe.engine.watched import WatchedJob
from asyncscribe.models.transcript import TranscriptId


class Agenda:
    """The jobs in the order of their next turns.

    It holds ids, so that an ended job and its transcript are not kept in memory until its next turn would have come.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, TranscriptId]] = []
        self._numbers = count()

    @property
    def earliest(self) -> float:
        """When the next turn comes; infinity if there is none."""
        return self._entries[0][0] if self._entries else float("inf")

    def note(self, job: WatchedJob) -> bool:
        """Enter a job for when it is due; False if it is already entered for an earlier moment."""
        due = job.plan.due
        if job.noted <= due:
            return False
        job.noted = due
        heapq.heappush(self._entries, (due, next(self._numbers), job.id))
        return True

    def take(self, until: float, jobs: Mapping[TranscriptId, WatchedJob]) -> Iterator[WatchedJob]:
        """Remove and yield the jobs that are due up to a moment; void entries are skipped.

        Args:
            until: The moment.
            jobs: The jobs that are still watched.
        """
        while self._entries and self._entries[0][0] <= until:
            noted, _, transcript_id = heapq.heappop(self._entries)
            job = jobs.get(transcript_id)
            if job is not None and noted == job.noted:
                job.noted = float("inf")
                yield job

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()

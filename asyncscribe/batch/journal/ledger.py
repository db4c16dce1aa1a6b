"""The ledger of one job in the journal of its batch."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from asyncscribe.batch.journal.records import Journal
from asyncscribe.lifecycle import JobState
from asyncscribe.models.transcript import TranscriptId

#: The name of the time at which a job ended at the service. It is no state: it is known only afterwards.
ENDED = "ended"


Check = Callable[[], Awaitable[None]]


class JournalLedger:
    """Writes a job's steps into the journal.

    The times of its states are kept in memory until the next step is written: they serve the report, and are not worth
    a commit.

    Args:
        journal: Where the steps are kept.
        key: The job's number there.
        times: Unix seconds by state, as in the journal.
        check: Called before an upload is kept; an error of it ends the job.

    Attributes:
        times: Unix seconds by state, including those not written yet.
    """

    def __init__(self, journal: Journal, key: int, times: Mapping[str, float], check: Check | None = None) -> None:
        self._journal = journal
        self._key = key
        self._check = check
        self.times = dict(times)

    def moved(self, state: JobState) -> None:
        """Remember the time."""
        self.times[state.value] = round(time.time(), 3)

    async def uploaded(self, audio_url: str) -> None:
        """Write it."""
        if self._check is not None:
            await self._check()
        await self._journal.uploaded(self._key, audio_url, self.times)

    async def submitting(self, audio_url: str, since: datetime) -> None:
        """Write it."""
        await self._journal.submitting(self._key, audio_url, since.timestamp(), self.times)

    def permit(self) -> None:
        """Everything is permitted: nobody else has the journal."""

    async def refused(self) -> None:
        """Write it."""
        await self._journal.refused(self._key)

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """Write it."""
        await self._journal.submitted(self._key, transcript_id, self.times)

    async def ended(self, moment: float) -> None:
        """The job ended at the service at this moment, Unix seconds; `completed` is when that was noticed."""
        self.times[ENDED] = round(moment, 3)
        await self._journal.timed(self._key, self.times)

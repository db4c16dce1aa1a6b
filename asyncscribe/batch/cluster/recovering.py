"""Rebuilds a shared journal: claims each job before it writes its steps."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from asyncscribe.batch.cluster.leases import Worker
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.errors import JournalError
from asyncscribe.models.transcript import TranscriptId


class RecoveringJournal(PostgresJournal):
    """Claims a job before each of its steps."""

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        """See `Journal`."""
        await self._have(key)
        await super().adopt(key, transcript_id, audio_url)

    async def completed(
        self,
        key: int,
        written: Mapping[str, Sequence[str]],
        audio_seconds: float | None,
        times: Mapping[str, float],
    ) -> None:
        """See `Journal`."""
        await self._have(key)
        await super().completed(key, written, audio_seconds, times)

    async def failed(self, key: int, reason: str, category: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        await self._have(key)
        await super().failed(key, reason, category, times)

    async def _have(self, key: int) -> None:
        if not await self.claim_keys([key]):
            raise JournalError(self.place, f"a worker is at job {key}: stop all workers before the journal is rebuilt")


@asynccontextmanager
async def recovering(dsn: str, *, shared_files: bool) -> AsyncGenerator[RecoveringJournal, None]:
    """Open a shared journal to rebuild it. A copy that took the database's place is accepted.

    Args:
        dsn: Where the database is.
        shared_files: Whether local paths lead to the same files on all machines.

    Raises:
        JournalError: The database can't be used, or a worker has a job.
    """
    host = socket.gethostname()
    async with (
        RecoveringJournal(dsn, host=None if shared_files else host, renew=True) as journal,
        Worker(journal, "recover", host),
    ):
        yield journal

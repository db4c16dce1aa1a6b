"""Recordings in object stores for the workers of a shared batch: one lists them, each takes some."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from asyncscribe.batch.cluster.leases import Worker
from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.inputs.discovery import BatchItem
from asyncscribe.batch.inputs.stores import below, signed
from asyncscribe.batch.journal.postgres import Claim, PostgresJournal, Selection
from asyncscribe.batch.journal.records import Entry, JobRecord

#: Jobs claimed at once. Nobody else can do those that are claimed and not begun yet.
CLAIMED = 8
#: Seconds between two claims while there is nothing to claim.
PAUSE = 1.0


class StorePool:
    """Implements `Pool` over a shared journal.

    A listing counts for all workers that had joined when it began. So with any number of workers, stores are mostly
    listed twice: once by the first worker, and once for those that joined meanwhile.

    Args:
        journal: The shared journal.
        worker: This process's lease.
        addresses: What is listed.
        config: Fingerprint of the configuration.
        left: Jobs that this worker had and could not finish.
        noted: Called with each claim.
        ping: Seconds between two pings of a lister.
    """

    def __init__(
        self,
        journal: PostgresJournal,
        worker: Worker,
        addresses: Sequence[str],
        config: str,
        left: set[int],
        noted: Callable[[Claim], None],
        ping: float,
    ) -> None:
        self._journal = journal
        self._worker = worker
        self._below = tuple(prefix for address in addresses for prefix in below(address))
        self._config = config
        self._left = left
        self._noted = noted
        self._ping = ping
        parts = json.dumps([journal.service, config, sorted(self._below)])
        self._name = f"listed {hashlib.sha256(parts.encode()).hexdigest()[:32]}"
        self._newest = 0

    @asynccontextmanager
    async def lister(self) -> AsyncGenerator[bool, None]:
        """See `Pool`."""
        async with self._journal.lister(self._name, self._ping) as is_lister:
            if is_lister:
                self._newest = await self._journal.newest()
            yield is_lister

    async def listed(self) -> None:
        """See `Pool`."""
        await self._journal.keep_fact(self._name, str(self._newest))

    async def is_listed(self) -> bool:
        """See `Pool`."""
        return int(await self._journal.fact(self._name) or 0) >= self._worker.id

    async def take(self, *, paid_only: bool) -> list[Candidate]:
        """See `Pool`."""
        wanted = Selection(self._config, self._below, self._left, paid_only)
        taken: list[Candidate] = []
        while not taken and (claims := await self._journal.claim(CLAIMED, wanted)):
            entries = await self._journal.entries([_address(claim.job) for claim in claims])
            for claim in claims:
                self._noted(claim)
                entry = entries.get(_address(claim.job))
                # By its content, and not by its present job: that may be another configuration's.
                if entry is not None and entry.recording.content == claim.job.content:
                    taken.append(_candidate(claim.job, entry))
                    continue
                # Its object was replaced meanwhile: nobody wants the old content.
                self._left.add(claim.job.key)
                await self._journal.release(claim.job.key)
        return taken

    async def others_work(self) -> bool:
        """See `Pool`."""
        return await self._journal.others_work(Selection(self._config, self._below))

    async def pause(self) -> None:
        """See `Pool`."""
        with anyio.move_on_after(PAUSE):
            await self._worker.lost.wait()


def _address(job: JobRecord) -> str:
    """The address of a job's object: its content is that and a version."""
    return job.content.rpartition("#")[0]


def _candidate(job: JobRecord, entry: Entry) -> Candidate:
    recording = entry.recording
    item = BatchItem(signed(recording.identity), recording.name, recording.content)
    return Candidate(item, recording, None, job, frozenset(entry.files), dict(entry.files))

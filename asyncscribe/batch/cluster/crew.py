"""A process among others that work on one batch: which jobs it may work on."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import anyio

from asyncscribe.batch.allowance import LONGEST, Admission
from asyncscribe.batch.claims import Pool
from asyncscribe.batch.cluster.leases import BEAT, LEASE, Worker
from asyncscribe.batch.cluster.pool import StorePool
from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.journal.ledger import Check, JournalLedger
from asyncscribe.batch.journal.postgres import Claim, PostgresJournal
from asyncscribe.batch.journal.records import JobRecord
from asyncscribe.errors import LeaseLost
from asyncscribe.ledger import ResumePoint

#: The allowance of processes that name no run.
EVERYBODY = "all"


class Crew:
    """Implements `Claims` over a shared journal.

    Args:
        journal: The shared journal.
        worker: This process's lease.
        run: Whose allowance is used.
        allowed: Seconds of audio that all processes of the run may submit; None for any number.
        beat: Seconds between two checks of what others have.
    """

    def __init__(
        self,
        journal: PostgresJournal,
        worker: Worker,
        *,
        run: str = EVERYBODY,
        allowed: float | None = None,
        beat: float = BEAT,
    ) -> None:
        self.journal = journal
        self.worker = worker
        self._run = run
        self._allowed = allowed
        self._beat = beat
        self._idle: dict[int, float] = {}
        self._left: set[int] = set()

    @property
    def is_limited(self) -> bool:
        """See `Claims`."""
        return self._allowed is not None

    @property
    def others(self) -> int:
        """See `Claims`."""
        return max(0, self.worker.alive - 1)

    async def claim(self, find: Candidate) -> bool:
        """See `Claims`."""
        if find.job is None:
            return False
        claims = await self.journal.claim_keys([find.job.key])
        if not claims:
            return False
        (claim,) = claims
        find.job = claim.job
        self._note(claim)
        for entry in claim.entries:
            if entry.recording.identity == find.recording.identity:
                find.files = dict(entry.files)
                find.outputs_exist = frozenset(entry.files)
        return True

    def _note(self, claim: Claim) -> None:
        if claim.lost_ago is not None:
            self._idle[claim.job.key] = claim.lost_ago

    async def release(self, job: JobRecord) -> None:
        """See `Claims`. This worker does not take the job from a pool again."""
        if job.is_open:
            self._left.add(job.key)
        await self.journal.release(job.key)

    async def put_back(self, job: JobRecord) -> None:
        """See `Claims`."""
        await self.journal.release(job.key)

    async def begin_again(self, job: JobRecord) -> JobRecord | None:
        """See `Claims`. Asks which worker failed it, because otherwise each worker would try it once."""
        return await self.journal.begin_again_before(job.key, self.worker.oldest)

    def pool(self, addresses: Sequence[str], config: str) -> Pool | None:
        """See `Claims`."""
        self._left.clear()
        return StorePool(self.journal, self.worker, addresses, config, self._left, self._note, self._beat)

    def resume(self, job: JobRecord) -> ResumePoint:
        """See `Claims`."""
        return replace(job.resume, idle=self._idle.pop(job.key, None))

    def permit(self) -> None:
        """Check that nobody else can have this process's jobs at this moment.

        Raises:
            LeaseLost: Others may have them.
        """
        if not self.worker.is_held():
            raise LeaseLost(self.journal.place, f"worker {self.worker.id} may submit nothing any more")

    def ledger(self, job: JobRecord, length: float | None, check: Check | None = None) -> JournalLedger:
        """See `Claims`."""
        run = None if self._allowed is None else self._run
        return _CrewLedger(self, job, length, run, check)

    async def admit(self, job: JobRecord, length: float, *, is_bound: bool) -> Admission:
        """See `Claims`."""
        if self._allowed is None:
            return Admission.GRANTED
        reserved = await self.journal.reserve(job.key, self._run, length, is_bound=is_bound)
        if reserved.seconds is not None:
            return Admission.GRANTED
        return Admission.LATER if reserved.may_fit_later else Admission.REFUSED

    async def settle(self, job: JobRecord, length: float | None) -> None:
        """See `Claims`."""
        # Also without an allowance here: whoever had it before may have had one.
        if length is not None:
            await self.journal.settle(job.key, length)

    async def pause(self) -> None:
        """See `Claims`."""
        with anyio.move_on_after(self._beat):
            await self.worker.lost.wait()
        self.permit()


class _CrewLedger(JournalLedger):
    """Keeps the steps in the name of a worker, and checks its lease before a submission is sent."""

    def __init__(self, crew: Crew, job: JobRecord, length: float | None, run: str | None, check: Check | None) -> None:
        super().__init__(crew.journal, job.key, job.times, check)
        self._crew = crew
        self._length = length
        self._run = run

    def permit(self) -> None:
        self._crew.permit()

    async def submitting(self, audio_url: str, since: datetime) -> None:
        times: Mapping[str, float] = self.times
        # It counts even if it was paid before, as far as is known: what is looked up may not be found.
        await self._crew.journal.submitting(
            self._key,
            audio_url,
            since.timestamp(),
            times,
            run=self._run,
            seconds=LONGEST if self._length is None else self._length,
            is_bound=self._length is None,
        )


@asynccontextmanager
async def joined(
    dsn: str,
    *,
    name: str | None = None,
    host: str | None = None,
    shared_files: bool = False,
    run: str = EVERYBODY,
    allowed: float | None = None,
    lease: float = LEASE,
    beat: float = BEAT,
) -> AsyncGenerator[Crew, None]:
    """Take part in the batch of a shared journal.

    Args:
        dsn: Where the database is: `postgresql://user:password@host/name`.
        name: This process's name in lists of workers; default: its host.
        host: Where it runs; part of the identity of local files. Default: the machine's name.
        shared_files: Whether local paths lead to the same files on all machines.
        run: Whose allowance is used.
        allowed: Seconds of audio that all processes of the run may submit.
        lease: Seconds of silence after which others take over this process's jobs.
        beat: Seconds between two renewals of the lease.

    Raises:
        JournalError: The database can't be used.
    """
    here = host or socket.gethostname()
    async with PostgresJournal(dsn, host=None if shared_files else here) as journal:
        if allowed is not None:
            await journal.allow(run, allowed)
        async with Worker(journal, name or here, here, lease=lease, beat=beat) as worker:
            yield Crew(journal, worker, run=run, allowed=allowed, beat=beat)

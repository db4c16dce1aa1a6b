"""Which jobs a process may work on in a shared batch. `Alone` has all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from asyncscribe.batch.allowance import Admission
from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.journal.ledger import Check, JournalLedger
from asyncscribe.batch.journal.records import JobRecord, Journal
from asyncscribe.ledger import ResumePoint


class Pool(Protocol):
    """Recordings that any process can read, and of which each takes some."""

    def lister(self) -> AbstractAsyncContextManager[bool]:
        """Whether this process lists them; one at a time does."""
        ...

    async def listed(self) -> None:
        """This process has listed all of them, as the lister."""
        ...

    async def is_listed(self) -> bool:
        """Whether all were listed that existed when this process began."""
        ...

    async def take(self, *, paid_only: bool) -> list[Candidate]:
        """Claim a few free jobs, as the recordings they are for; none if none is free at this moment.

        Args:
            paid_only: Only those that cost nothing more, because they were submitted.
        """
        ...

    async def others_work(self) -> bool:
        """Whether others have unfinished jobs."""
        ...

    async def pause(self) -> None:
        """Wait until it makes sense to ask again."""
        ...


class Claims(Protocol):
    """Decides which jobs this process may work on."""

    @property
    def is_limited(self) -> bool:
        """Whether an allowance is shared with the other processes."""
        ...

    @property
    def others(self) -> int:
        """How many other processes take part."""
        ...

    async def claim(self, find: Candidate) -> bool:
        """Claim the job of a recording, and update what is known of it; whether it is ours now."""
        ...

    async def release(self, job: JobRecord) -> None:
        """Give up an unfinished job, so that others can have it.

        Otherwise two processes could wait for each other to do it.
        """
        ...

    async def put_back(self, job: JobRecord) -> None:
        """Let others have a job that does not fit the allowance now; this process may take it again."""
        ...

    def resume(self, job: JobRecord) -> ResumePoint:
        """How far the job got with those that had it before."""
        ...

    def ledger(self, job: JobRecord, length: float | None, check: Check | None = None) -> JournalLedger:
        """The ledger of a job.

        Args:
            job: The job.
            length: Seconds of audio that count in the allowance; None if nothing counts.
            check: Called before an upload is kept.
        """
        ...

    async def admit(self, job: JobRecord, length: float, *, is_bound: bool) -> Admission:
        """Reserve a part of a shared allowance, until the job is settled, fails, or is released.

        Args:
            job: The job that it is for.
            length: Seconds of audio.
            is_bound: The length is unknown, and `length` its upper bound. Then any rest of the allowance is enough.
        """
        ...

    async def begin_again(self, job: JobRecord) -> JobRecord | None:
        """Begin a failed job again; None if it failed in this batch, while other processes took part."""
        ...

    def pool(self, addresses: Sequence[str], config: str) -> Pool | None:
        """A pool of the recordings below these addresses; None if nobody shares them.

        Args:
            addresses: Prefixes of object stores.
            config: Fingerprint of the configuration.
        """
        ...

    async def settle(self, job: JobRecord, length: float | None) -> None:
        """Correct what a job took from the allowance to its actual seconds; None if unknown."""
        ...

    async def pause(self) -> None:
        """Wait until it makes sense to check again what others have."""
        ...


class Alone:
    """Nobody else works on the batch.

    Args:
        journal: Where the steps are kept.
    """

    others = 0
    is_limited = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def claim(self, find: Candidate) -> bool:
        """See `Claims`."""
        return find.job is not None

    async def release(self, job: JobRecord) -> None:
        """See `Claims`. There are no others."""

    async def put_back(self, job: JobRecord) -> None:
        """See `Claims`. There are no others."""

    def resume(self, job: JobRecord) -> ResumePoint:
        """See `Claims`."""
        return job.resume

    def ledger(self, job: JobRecord, length: float | None, check: Check | None = None) -> JournalLedger:  # noqa: ARG002
        """See `Claims`."""
        return JournalLedger(self._journal, job.key, job.times, check)

    async def admit(self, job: JobRecord, length: float, *, is_bound: bool) -> Admission:  # noqa: ARG002
        """See `Claims`. The run's own allowance decides."""
        return Admission.GRANTED

    async def begin_again(self, job: JobRecord) -> JobRecord | None:
        """See `Claims`."""
        return await self._journal.begin_again(job.key)

    def pool(self, addresses: Sequence[str], config: str) -> Pool | None:  # noqa: ARG002
        """See `Claims`. There are no others."""
        return None

    async def settle(self, job: JobRecord, length: float | None) -> None:
        """See `Claims`. The run's own allowance knows."""

    async def pause(self) -> None:
        """See `Claims`. There is nothing to wait for."""

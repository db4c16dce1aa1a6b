"""Whose jobs are whose, where a batch is shared. Alone, all are one's own."""

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
    """Recordings that any process can read, and that each may take some of."""

    def lister(self) -> AbstractAsyncContextManager[bool]:
        """Whether this process lists them: one at a time does."""
        ...

    async def listed(self) -> None:
        """This process has listed all of them, since `lister` let it."""
        ...

    async def is_listed(self) -> bool:
        """Whether all were listed that there were when this process began."""
        ...

    async def take(self, *, paid_only: bool) -> list[list[Candidate]]:
        """Have a few jobs that nobody has, each with its recordings; none if there are none at this moment.

        Args:
            paid_only: Only those that cost nothing more, because something was submitted for them.
        """
        ...

    async def others_work(self) -> bool:
        """Whether others have some that they have not finished."""
        ...

    async def pause(self) -> None:
        """Wait until it makes sense to ask again."""
        ...


class Claims(Protocol):
    """Decides which jobs this process may work on."""

    @property
    def others(self) -> int:
        """How many other processes take part."""
        ...

    async def claim(self, find: Candidate) -> bool:
        """Have the job of a recording; whether it is ours now. What is known of it is brought up to date."""
        ...

    async def release(self, job: JobRecord) -> None:
        """Let others have a job that is not finished, and that nothing more is done about here.

        Else two processes would each wait for the other to do what neither does.
        """
        ...

    def resume(self, job: JobRecord) -> ResumePoint:
        """How far whoever had the job before got with it."""
        ...

    def ledger(self, job: JobRecord, length: float | None, check: Check | None = None) -> JournalLedger:
        """What keeps the steps of a job.

        Args:
            job: The job.
            length: Seconds of audio that count in the allowance; None if nothing does.
            check: Called before an upload is kept.
        """
        ...

    async def admit(self, job: JobRecord, length: float, *, is_bound: bool) -> Admission:
        """Reserve an allowance that several processes share, until the job is settled, fails, or is released.

        Args:
            job: For what.
            length: Seconds of audio.
            is_bound: The length is not known, and is at most this. Then what is left is enough, whatever it is.
        """
        ...

    async def begin_again(self, job: JobRecord) -> JobRecord | None:
        """Forget what became of a failed job; None if it failed in this batch, while other processes took part."""
        ...

    def pool(self, addresses: Sequence[str], config: str) -> Pool | None:
        """What is below these addresses of object stores, to share with the others; None if there can be none.

        Args:
            addresses: Prefixes of object stores.
            config: Fingerprint of the configuration.
        """
        ...

    async def settle(self, job: JobRecord, length: float | None) -> None:
        """What is paid for a job turned out to be this, in seconds; None if that is not known."""
        ...

    async def pause(self) -> None:
        """Wait until it makes sense to look again at what others have."""
        ...


class Alone:
    """Nobody else works on the batch.

    Args:
        journal: Where the steps are kept.
    """

    others = 0

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def claim(self, find: Candidate) -> bool:
        """See `Claims`."""
        return find.job is not None

    async def release(self, job: JobRecord) -> None:
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

"""Whose jobs are whose, where a batch is shared. Alone, all are one's own."""

from __future__ import annotations

from typing import Protocol

from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.journal.ledger import Check, JournalLedger
from asyncscribe.batch.journal.records import JobRecord, Journal
from asyncscribe.ledger import ResumePoint


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

    async def fits(self, length: float | None) -> bool:
        """Whether so many seconds of audio may still be submitted; None for an unknown number."""
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

    async def fits(self, length: float | None) -> bool:  # noqa: ARG002
        """See `Claims`. The run's own allowance decides."""
        return True

    async def settle(self, job: JobRecord, length: float | None) -> None:
        """See `Claims`. The run's own allowance knows."""

    async def pause(self) -> None:
        """See `Claims`. There is nothing to wait for."""

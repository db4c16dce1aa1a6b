"""Which jobs a run works on: shared by its two tasks, of which one takes recordings up and one ends them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.journal.ledger import JournalLedger
from asyncscribe.batch.journal.records import JobRecord


@dataclass(slots=True)
class Work:
    """A job of this run, and the recordings that it serves.

    Attributes:
        candidates: The recordings.
        job: The job; None for a recording that can't be read.
        ledger: Keeps its steps.
        counts: Whether the allowance counts it.
        length: Seconds for which the allowance admitted it; None if unknown.
        begun: When it was taken up, seconds of `time.monotonic`.
    """

    candidates: list[Candidate]
    job: JobRecord | None = None
    ledger: JournalLedger | None = None
    counts: bool = False
    length: float | None = None
    begun: float = field(default_factory=time.monotonic)


class UnderWay:
    """The works of a run that have begun and not ended."""

    def __init__(self) -> None:
        self._works: dict[int, Work] = {}
        self._count = 0
        #: The number of each job's end, for jobs that ended since entries were last read in bulk.
        self._ended: dict[int, int] = {}
        self._next = asyncio.Event()

    def has(self, key: int) -> bool:
        """Whether a job is worked on."""
        return key in self._works

    def begin(self, work: Work) -> None:
        """A work begins."""
        if work.job is not None:
            self._works[work.job.key] = work

    def share(self, key: int, find: Candidate) -> None:
        """The transcript of a job that is worked on serves one more recording."""
        self._works[key].candidates.append(find)

    def end(self, work: Work) -> None:
        """A work has ended: no recording can join it any more."""
        if work.job is not None:
            del self._works[work.job.key]
            self._count += 1
            self._ended[work.job.key] = self._count

    def ended(self) -> None:
        """Everything that follows the end of a work is done."""
        self._next.set()
        self._next = asyncio.Event()

    def next_end(self) -> asyncio.Event:
        """Set when everything that follows the next end is done."""
        return self._next

    @property
    def moment(self) -> int:
        """Now, as a count of ends."""
        return self._count

    def forget(self) -> int:
        """Forget earlier ends, which nobody asks for any more; returns now, as a count of ends."""
        self._ended.clear()
        return self._count

    def has_ended(self, key: int, moment: int) -> bool:
        """Whether a job ended since a moment."""
        return self._ended.get(key, 0) > moment

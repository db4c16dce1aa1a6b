"""The account's list, which shows many jobs at once: when it is read, and what its pages say."""

from __future__ import annotations

from contextlib import aclosing

import anyio

from asyncscribe.api.listing import pages
from asyncscribe.api.transport import Transport
from asyncscribe.errors import ServiceError
from asyncscribe.logs import log
from asyncscribe.models.transcript import TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.polling import Pace, Strategy, most_pages
from asyncscribe.policies.request_rate import Lane

#: Seconds that one reading of the list may take.
LIST_TIMEOUT = 5.0
#: The priority of pages among polls that wait for the allowance: one shows up to 200 jobs.
PAGE_PRIORITY = 1


class Overview:
    """Reads the list, one reading at a time.

    Args:
        transport: Sends.
        polling: Delays between the GETs of one job.

    Attributes:
        pages: Pages read so far.
        failures: Readings in a row that have failed.
        is_reading: Whether a reading is under way.
    """

    def __init__(self, transport: Transport, polling: Backoff) -> None:
        self._transport = transport
        self._pace = Pace(polling)
        self._due = self._begun = float("-inf")
        self._requests_of_a_look = 1
        self.pages = 0
        self.failures = 0
        self.is_reading = False

    def start_over(self, now: float) -> None:
        """Forget earlier failures: the next reading is due a gap from now."""
        self._begun = now
        self.failures = 0

    def gap(self, watched: int, duration: float | None, age: float) -> float:
        """Seconds from one reading to the next.

        Args:
            watched: Jobs that are waited for.
            duration: Mean seconds that jobs took lately, if known.
            age: Seconds for which the oldest of them has been at the service.
        """
        return self._pace.gap(max(1, watched), self._requests_of_a_look, duration or age, age)

    def due(self, gap: float) -> float:
        """When the next reading is due; a failed one has already set its successor's time."""
        if not self.failures:
            self._due = self._begun + gap
        return self._due

    def begin(self, now: float) -> None:
        """A reading is under way from now on, until `end`."""
        self.is_reading = True
        self._begun = now

    def end(self) -> None:
        """The reading has ended, successfully or not."""
        self.is_reading = False

    def failed(self, error: Exception, now: float, gap: float) -> None:
        """Put the next reading off, because one has failed.

        Args:
            error: How it failed.
            now: Seconds.
            gap: Seconds between readings otherwise.
        """
        refused = isinstance(error, ServiceError) and not error.transient
        self.failures += 1
        self._due = now + self._pace.after_failure(gap, self.failures, refused=refused)
        if refused:
            log.warning("the list of transcripts is refused (%s); polling each job by itself", error)
        else:
            log.info("the list of transcripts is unavailable: %s", str(error) or "it took too long")

    async def read(self, strategy: Strategy, watched: int) -> tuple[dict[TranscriptId, str], bool]:
        """The statuses on the pages, and whether they must include every job in flight.

        Args:
            strategy: Which pages.
            watched: Jobs that are waited for.

        Raises:
            ServiceError: A page could not be read.
            TimeoutError: It took too long.
        """
        before = self.pages
        with anyio.fail_after(LIST_TIMEOUT):
            shown = await self._statuses(strategy, watched)
        self.failures = 0
        self._requests_of_a_look = max(1, self.pages - before)
        return shown

    async def _statuses(self, strategy: Strategy, watched: int) -> tuple[dict[TranscriptId, str], bool]:
        if strategy is Strategy.NEWEST:
            return (await self._read(None, 1))[0], False
        # In this order: a job that starts between the two requests is seen twice, not missed.
        most = most_pages(watched)
        statuses, all_queued = await self._read(TranscriptStatus.QUEUED, most)
        processing, all_processing = await self._read(TranscriptStatus.PROCESSING, most)
        return {**statuses, **processing}, all_queued and all_processing

    async def _read(self, status: TranscriptStatus | None, most: int) -> tuple[dict[TranscriptId, str], bool]:
        """The statuses on at most `most` pages, and whether these are all pages."""
        statuses: dict[TranscriptId, str] = {}
        read = 0
        listing = pages(self._transport, status=status, lane=Lane.POLLS, priority=PAGE_PRIORITY, retry=False)
        async with aclosing(listing) as listed:
            async for page in listed:
                read += 1
                self.pages += 1
                for item in page.items:
                    statuses[item.id] = item.status
                if page.older is None:
                    return statuses, True
                if read == most:
                    break
        return statuses, False

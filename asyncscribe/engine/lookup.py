"""Looks through the account's newest jobs for submissions whose end is not known; those who look at once share a pass.

A page has 200 jobs. After a crash or an outage many submissions are in doubt together, and all their jobs are among the
same few pages.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport
from asyncscribe.errors import ServiceError
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId

#: How much older than the attempt a job may seem to be: `Date` headers tell the service's clock to the second, and it
#: has more than one server.
CLOCK_TOLERANCE = timedelta(seconds=5)


@dataclass(slots=True)
class _Pass:
    """One way through the pages, for everybody who asked before it began."""

    wanted: dict[str, datetime] = field(default_factory=dict)
    found: defaultdict[str, list[ListItem]] = field(default_factory=lambda: defaultdict(list))
    done: bool = False
    error: ServiceError | None = None


class Lookout:
    """Finds jobs by their audio's URL.

    Args:
        transport: Asks for the pages.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._next: _Pass | None = None
        self._turn = anyio.Lock()

    async def look(self, audio_url: str, since: datetime) -> list[ListItem]:
        """The jobs of this URL that the service lists now, newest first.

        Args:
            audio_url: What the jobs transcribe.
            since: Older jobs are not looked at, by this machine's clock and with a tolerance.

        Raises:
            ServiceError: The list can't be had.
        """
        joined = self._next = self._next or _Pass()
        joined.wanted[audio_url] = min(since, joined.wanted.get(audio_url, since))
        async with self._turn:
            # Whoever is first goes for all. Should that one be cancelled on the way, the next one goes again.
            if not joined.done:
                if self._next is joined:
                    self._next = None
                await self._go(joined)
        if joined.error is not None:
            raise joined.error
        earliest = self._by_their_clock(since)
        return [item for item in joined.found[audio_url] if item.created is None or item.created >= earliest]

    async def _go(self, joined: _Pass) -> None:
        joined.found.clear()
        try:
            await self._through_pages(joined)
        except ServiceError as error:
            joined.error = error
        joined.done = True

    async def _through_pages(self, joined: _Pass) -> None:
        since = min(joined.wanted.values())
        before: TranscriptId | None = None
        while True:
            page = await self._transport.send(protocol.list_transcripts(before_id=before), read=protocol.read_page)
            for item in page:
                if item.created is not None and item.created < self._by_their_clock(since):
                    return
                if item.audio_url in joined.wanted:
                    joined.found[item.audio_url].append(item)
            if len(page) < protocol.LONGEST_PAGE or page[-1].id == before:
                return
            before = page[-1].id

    def _by_their_clock(self, since: datetime) -> datetime:
        return since + self._transport.clock_ahead - CLOCK_TOLERANCE

"""Finds the jobs of submissions in doubt among the account's newest ones.

A page has 200 jobs. After a crash or an outage many submissions are in doubt together, and all their jobs are on the
same few pages: so simultaneous lookups share a pass.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from asyncscribe.api.listing import pages
from asyncscribe.api.transport import Transport
from asyncscribe.errors import ServiceError
from asyncscribe.models.pages import ListItem

#: How much older than the attempt a job may seem to be: `Date` headers give the service's clock to the second, it has
#: more than one server, and the server that creates a job is not the one that writes the header.
CLOCK_TOLERANCE = timedelta(seconds=10)
#: Passes at once. Further lookups share the next pass: on a bad network a pass takes seconds.
PASSES = 3

#: A moment in the service's time. Evaluated when needed, because the service's time may become known only then.
Moment = Callable[[], datetime | None]


@dataclass(slots=True)
class _Pass:
    """One pass over the pages, for all lookups that joined before it began."""

    wanted: dict[str, list[Moment]] = field(default_factory=dict)
    found: defaultdict[str, list[ListItem]] = field(default_factory=lambda: defaultdict(list))
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    done: bool = False
    error: ServiceError | None = None


class SubmissionLookup:
    """Finds jobs by the URL of their audio.

    Args:
        transport: Requests the pages.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._next: _Pass | None = None
        self._passes = anyio.Semaphore(PASSES)

    def moment(self, at: float) -> Moment:
        """A moment of the loop's clock, in seconds, in the service's time.

        Until an answer has shown it, this machine's clock is used.
        """
        local = datetime.now(UTC) - timedelta(seconds=asyncio.get_running_loop().time() - at)
        return lambda: self._transport.clock.at(at) or local

    async def find(self, audio_url: str, since: Moment) -> list[ListItem]:
        """The jobs of this URL that the service lists now, those closest to the moment first.

        Args:
            audio_url: What the jobs transcribe.
            since: Older jobs are ignored, with a tolerance.

        Raises:
            ServiceError: The list is unavailable.
        """
        joined = self._next = self._next or _Pass()
        joined.wanted.setdefault(audio_url, []).append(since)
        async with joined.turn:
            # The first lookup reads the pages for all. If it is cancelled on the way, the next one starts over.
            if not joined.done:
                async with self._passes:
                    if self._next is joined:
                        self._next = None
                    await self._go(joined)
        if joined.error is not None:
            raise joined.error
        moment = since() or datetime.now(UTC)
        near = [
            item for item in joined.found[audio_url] if item.created is None or item.created >= moment - CLOCK_TOLERANCE
        ]
        return sorted(near, key=lambda item: abs((item.created or moment) - moment))

    async def _go(self, joined: _Pass) -> None:
        joined.found.clear()
        try:
            await self._through_pages(joined)
        except ServiceError as error:
            joined.error = error
        joined.done = True

    async def _through_pages(self, joined: _Pass) -> None:
        async with aclosing(pages(self._transport)) as listed:
            async for page in listed:
                moments = [moment() for some in joined.wanted.values() for moment in some]
                earliest = min((moment for moment in moments if moment), default=None)
                for entry in page.items:
                    if entry.audio_url in joined.wanted:
                        joined.found[entry.audio_url].append(entry.item())
                if earliest is not None and page.items:
                    created = page.items[-1].item().created
                    if created is not None and created < earliest - CLOCK_TOLERANCE:
                        return

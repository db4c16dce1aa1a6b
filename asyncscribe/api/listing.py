"""Iterates over the pages of the list of transcripts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date

from asyncscribe.api import protocol
from asyncscribe.api.pages import ListPage
from asyncscribe.api.transport import Transport
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.request_rate import Lane


async def pages(
    transport: Transport,
    *,
    page_size: int = protocol.LONGEST_PAGE,
    status: str | None = None,
    created_on: date | None = None,
    before_id: TranscriptId | None = None,
    after_id: TranscriptId | None = None,
    throttled_only: bool = False,
    lane: Lane = Lane.RESULTS,
    priority: int = 0,
    retry: bool = True,
) -> AsyncGenerator[ListPage, None]:
    """The pages of a list, newest first, each requested when it is needed.

    Only `prev_url` says whether there is another page, however many items the service puts on one.

    Args:
        transport: Sends.
        page_size: Items per request, 1 to 200.
        status: See `protocol.list_transcripts`, also for the other filters.
        created_on: A filter.
        before_id: A filter; where the first page begins.
        after_id: A filter.
        throttled_only: A filter.
        lane: What the requests are for.
        priority: Their priority in the lane.
        retry: Whether failed requests are repeated.

    Raises:
        ServiceError: A page is unavailable.
    """
    seen: set[TranscriptId] = set()
    older = before_id
    while True:
        request = protocol.list_transcripts(
            limit=page_size,
            status=status,
            created_on=created_on,
            before_id=older,
            after_id=after_id,
            throttled_only=throttled_only,
        )
        page = await transport.send(request, lane=lane, priority=priority, retry=retry)
        yield page
        # A list that loops ends where the loop closes.
        if page.older is None or page.older in seen:
            return
        seen.add(page.older)
        older = page.older

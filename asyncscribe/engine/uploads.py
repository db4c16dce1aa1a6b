"""One source becomes a URL that the service can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncscribe.api import protocol
from asyncscribe.api.connection import Progress
from asyncscribe.api.transport import Transport
from asyncscribe.containment import contained
from asyncscribe.engine.limiter import Limiter
from asyncscribe.models.transcript import UploadUrl
from asyncscribe.policies.window import Lane
from asyncscribe.sources import Upload


class Uploader:
    """Uploads under a limiter of its own, which is not the one of the jobs.

    So the next files are at the service already when a slot for a job gets free, and memory is bounded by the number
    of uploads at once times `sources.CHUNK_BYTES` (a few copies of it: one read, one in the connection's buffer).

    Args:
        transport: Sends.
        limiter: How many uploads go on at once.
    """

    def __init__(self, transport: Transport, limiter: Limiter) -> None:
        self._transport = transport
        self._limiter = limiter

    async def upload(
        self,
        source: Upload,
        progress: Progress | None = None,
        keep: Callable[[str], Awaitable[None]] | None = None,
        *,
        priority: int = 0,
    ) -> UploadUrl:
        """Send the bytes and return where the service keeps them (24 hours at least).

        A failed upload starts over, as the API knows no resumption; a stream only while nothing of it was sent.

        Args:
            source: What to send.
            progress: Told how many bytes were handed to the connection.
            keep: Writes the URL down. Awaited before the next upload begins, so that what a crash can cost is bounded
                by the number of uploads at once.
            priority: Higher ones go first.

        Raises:
            SourceError: The source can't be read, or it changed while it was read.
            ServiceError: The last attempt's failure.
        """
        async with self._limiter.slot(object(), priority):
            url = await self._transport.send(
                protocol.upload(), source, progress, lane=Lane.SUBMISSIONS, priority=priority
            )
            if keep is not None:
                await contained("the ledger", keep, url)
        return url

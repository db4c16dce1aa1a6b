"""One source becomes a URL that the service can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncscribe.api import protocol
from asyncscribe.api.streams import Body, Progress
from asyncscribe.api.transport import Transport
from asyncscribe.bodies import Stream, Upload
from asyncscribe.containment import contained
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.spool import Spool
from asyncscribe.errors import ServiceError
from asyncscribe.models.transcript import UploadUrl
from asyncscribe.policies.window import Lane

#: Said of an upload that failed and could not be repeated.
ONCE_ONLY = (
    "a stream can be read once, so its upload was not repeated: pass a file, or AsyncClient(spool=bytes), "
    "which keeps so much of a stream on disk while it is sent"
)


class Uploader:
    """Uploads under a limiter of its own, which is not the one of the jobs.

    So the next files are at the service already when a slot for a job gets free, and memory is bounded by the number
    of uploads at once times `bodies.CHUNK_BYTES` (a few copies of it: one read, one in the connection's buffer).

    Args:
        transport: Sends.
        limiter: How many uploads go on at once.
        spool: Bytes of a stream that are kept on disk while it is sent, so that its upload can be repeated.
    """

    def __init__(self, transport: Transport, limiter: Limiter, spool: int = 0) -> None:
        self._transport = transport
        self._limiter = limiter
        self._spool = spool

    async def upload(
        self,
        source: Upload,
        progress: Progress | None = None,
        keep: Callable[[str], Awaitable[None]] | None = None,
        *,
        priority: int = 0,
    ) -> UploadUrl:
        """Send the bytes and return where the service keeps them (24 hours at least).

        A failed upload starts over, as the API knows no resumption; a stream only while nothing of it was sent, or if
        all that was sent is kept on disk.

        Args:
            source: What to send.
            progress: Called with how many bytes were handed to the connection.
            keep: Writes the URL down. Awaited before the next upload begins, so that what a crash can cost is bounded
                by the number of uploads at once.
            priority: Higher ones go first.

        Raises:
            SourceError: The source can't be read, or it changed while it was read.
            ServiceError: The last attempt's failure.
        """
        async with self._limiter.slot(object(), priority):
            if self._spool and isinstance(source, Stream):
                async with Spool(source, self._spool) as spooled:
                    url = await self._send(spooled, progress, priority)
            else:
                url = await self._send(source, progress, priority)
            if keep is not None:
                await contained("the ledger", keep, url)
        return url

    async def _send(self, body: Body, progress: Progress | None, priority: int) -> UploadUrl:
        try:
            return await self._transport.send(
                protocol.upload(), body, progress, lane=Lane.SUBMISSIONS, priority=priority
            )
        except ServiceError as error:
            if error.transient and not body.repeatable:
                error.args = (f"{error}; {ONCE_ONLY}",)
            raise

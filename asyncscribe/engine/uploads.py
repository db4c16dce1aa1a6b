"""Uploads a source and returns a URL that the service can read."""

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
from asyncscribe.policies.request_rate import Lane

#: Added to the error of an upload that failed and could not be repeated.
ONCE_ONLY = (
    "a stream can be read once, so its upload was not repeated: pass a file, or AsyncClient(spool=bytes), "
    "which keeps that much of a stream on disk while it is sent"
)


class Uploader:
    """Uploads under its own limiter, separate from the jobs' one.

    So the next files are already at the service when a job's slot becomes free, and memory is bounded by the number
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

        A failed upload starts over, because the API can't resume one. A stream is repeated only if nothing of it was
        sent yet, or if everything sent is kept on disk.

        Args:
            source: What to send.
            progress: Called with how many bytes were handed to the connection.
            keep: Records the URL. Awaited before the next upload begins, so that a crash loses at most as many uploads
                as run at once.
            priority: Higher ones go first.

        Raises:
            SourceError: The source can't be read, or changed while it was read.
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

"""One source becomes a URL that the service can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncscribe.api import protocol
from asyncscribe.api.transport import Progress, Transport
from asyncscribe.engine.limiter import Limiter
from asyncscribe.errors import UnreadableAnswer
from asyncscribe.models.transcript import UploadUrl
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
        self, source: Upload, progress: Progress | None = None, keep: Callable[[str], Awaitable[None]] | None = None
    ) -> UploadUrl:
        """Send the bytes and return where the service keeps them (24 hours at least).

        A failed upload starts over, as the API knows no resumption; a stream only while nothing of it was sent.

        Args:
            source: What to send.
            progress: Told how many bytes were handed to the connection.
            keep: Writes the URL down. Awaited before the next upload begins, so that what a crash can cost is bounded
                by the number of uploads at once.

        Raises:
            SourceError: The source can't be read, or it changed while it was read.
            ServiceError: The last attempt's failure.
        """
        async with self._limiter.slot(object()):
            document = await self._transport.send(protocol.UPLOAD, source, progress)
            url = document.get("upload_url")
            if not isinstance(url, str) or not url:
                raise UnreadableAnswer(str(protocol.UPLOAD), "the answer names no upload_url")
            if keep is not None:
                await keep(url)
        return UploadUrl(url)

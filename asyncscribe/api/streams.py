"""The bytes of a request and of its answer, bounded: stalled uploads and endless answers are given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, Self, TypeAlias

import aiohttp
import anyio

from asyncscribe.api.protocol import Request
from asyncscribe.containment import is_cancelled
from asyncscribe.errors import SourceError, UnreadableAnswer

#: Bytes handed to the connection at once, however large a source's chunks are, because bytes that the socket does not
#: accept at once are copied. Measured by `benchmarks/upload.py`: pieces of 256 KiB take a quarter more time.
PIECE_BYTES = 1024 * 1024
#: Bytes of the longest answer that is read. A transcript of the longest recording that the service accepts, ten hours,
#: with utterances and sentiment for every word, is a fifth of this.
LARGEST_ANSWER = 256 * 1024 * 1024
#: Called with the bytes handed to the connection so far.
Progress: TypeAlias = Callable[[int], None]


class Body(Protocol):
    """The bytes of an upload, as a connection needs them."""

    @property
    def size(self) -> int | None:
        """Bytes; None if unknown."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether `open` can be called (again) now and gives the same bytes."""
        ...

    def open(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes, from the first on; the source is closed when the context ends."""
        ...


class StallGuard:
    """A body's bytes, with a deadline on each handover.

    aiohttp has no write timeout: a peer that stops reading would hang an upload for ever. So the scope around the
    request has a deadline while the connection holds a chunk. It has none while the next chunk is read from the
    source, which may be slow, nor after the last one, when aiohttp's read timeout takes over.

    Args:
        chunks: The body's bytes.
        scope: The scope around the request.
        stall: Seconds that a handover may take.
        progress: Called with the bytes handed over so far.

    Attributes:
        sent: Bytes handed over so far.
        error: The exception that reading the source raised.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], scope: anyio.CancelScope, stall: float, progress: Progress | None
    ) -> None:
        self._chunks = chunks
        self._scope = scope
        self._stall = stall
        self._progress = progress
        self._rest = memoryview(b"")
        self._handed_over = 0
        self.sent = 0
        self.error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> memoryview:
        self._scope.deadline = float("inf")
        if self._handed_over:
            self.sent += self._handed_over
            self._handed_over = 0
            if self._progress is not None:
                self._progress(self.sent)
        if not self._rest:
            self._rest = memoryview(await self._read())
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        self._handed_over = len(piece)
        self._scope.deadline = anyio.current_time() + self._stall
        return piece

    async def _read(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            self.error = SourceError("the source", "raised CancelledError, and nobody had cancelled it")
            raise self.error from error
        except Exception as error:
            # aiohttp hides exceptions of its body iterator behind a connection error.
            self.error = error
            raise


async def read_answer(request: Request[Any], response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, decompressed; an endless one, or a bomb that unpacks to gigabytes, is given up.

    Raises:
        UnreadableAnswer: It is longer than `LARGEST_ANSWER`.
    """
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            response.close()
            raise UnreadableAnswer(str(request), f"the answer is longer than {LARGEST_ANSWER} bytes")
        chunks.append(chunk)
    return b"".join(chunks)

"""A stream that is kept on disk while it is sent, so that a failed upload can be repeated."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import anyio

from asyncscribe.bodies import CHUNK_BYTES, Stream
from asyncscribe.errors import SourceError
from asyncscribe.logs import log

T = TypeVar("T")


class Spool:
    """A stream whose bytes read so far are kept in an unnamed temporary file.

    If the stream turns out longer than the limit, or than the disk, its upload goes on but can't be repeated: the file
    is dropped. One task reads the stream from first to last byte, however many attempts there are: a failing attempt
    cancels its reader, which would end a generator. Use it as an async context manager; leaving it drops the file.

    Args:
        stream: What to send.
        limit: Bytes kept at most.
    """

    size: int | None = None

    def __init__(self, stream: Stream, limit: int) -> None:
        self.name = stream.name
        self._stream = stream
        self._limit = limit
        self._file: _File | None = None
        self._begun = False
        self._kept = 0
        self._current: bytes | None = None
        self._error: Exception | None = None
        self._send, self._receive = anyio.create_memory_object_stream[bytes]()
        self._turn = asyncio.Lock()
        self._exit = AsyncExitStack()

    @property
    def repeatable(self) -> bool:
        """Whether all that was read of the stream is kept."""
        return self._file is not None or not self._begun

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._give_up)
            stack.callback(self._receive.close)
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._pump)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Without the exception, which the task group would wrap.
        await self._exit.aclose()

    async def _pump(self) -> None:
        with self._send:
            try:
                async with self._stream.open() as chunks:
                    async for chunk in chunks:
                        await self._send.send(chunk)
            except Exception as error:  # noqa: BLE001 - raised in the reader, where it belongs
                self._error = error

    async def _give_up(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            await _on_disk(file.close)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes from the first on.

        Raises:
            SourceError: Not all bytes that were read are kept, or the stream can't be read.
        """
        if not self.repeatable:
            raise SourceError(self.name, f"it is longer than the {self._limit} bytes that are kept of a stream")
        if not self._begun:
            self._begun = True
            self._file = await _on_disk(_File)
        yield _Attempt(self)

    async def chunk_at(self, place: int) -> bytes | None:
        """The bytes after the first `place` ones; None at the end of the stream.

        Raises:
            SourceError: The stream can't be read.
        """
        # One at a time: a chunk that a cut-off attempt still waits for belongs to the next one.
        async with self._turn:
            if place < self._kept and self._file is not None:
                return await _on_disk(self._file.read, place, min(CHUNK_BYTES, self._kept - place))
            if self._current is None:
                try:
                    self._current = await self._receive.receive()
                except anyio.EndOfStream:
                    if self._error is not None:
                        raise self._error from None
                    return None
            await self._keep(self._current)
            # By now it is kept, or the file is dropped.
            chunk, self._current = self._current, None
            return chunk

    async def _keep(self, chunk: bytes) -> None:
        if self._file is None:
            return
        if self._kept + len(chunk) > self._limit:
            await self._give_up()
            return
        try:
            await _on_disk(self._file.write, self._kept, chunk)
            self._kept += len(chunk)
        except OSError as error:
            log.warning("%s is not kept for a repetition of its upload: %s", self.name, error)
            await self._give_up()


class _Attempt:
    """The bytes for one attempt. Not a generator, because its reader may still run when the attempt has ended."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._place = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._spool.chunk_at(self._place)
        if chunk is None:
            raise StopAsyncIteration
        self._place += len(chunk)
        return chunk


async def _on_disk(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


class _File:
    """A temporary file that threads read and write at any position.

    An attempt that was cut off leaves a running thread behind, whose position must not affect the next attempt.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="asyncscribe-")  # noqa: SIM115 - closed by `close`
        self._lock = threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)

    def write(self, start: int, chunk: bytes) -> None:
        with self._lock:
            self._file.seek(start)
            self._file.write(chunk)
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()

"""The bodies of uploads: a file, bytes in memory, a stream or a pipe, read in chunks.

No recording is ever held in memory as a whole, unless a caller passes it as bytes.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import aiofiles
import anyio

from asyncscribe.containment import is_cancelled
from asyncscribe.errors import SourceError

#: Bytes read at once. Each read is a trip to a thread: with 1 to 4 MiB uploads were at least as fast as curl's, with
#: 64 KiB half as fast. 2 MiB gained a tenth over 1 MiB on loopback and took up to 6 MiB more memory.
CHUNK_BYTES = 1024 * 1024


@runtime_checkable
class BinaryFile(Protocol):
    """A file opened for reading bytes; `read` may be a plain or an async method."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]:
        """At most `size` bytes; none at the end."""
        ...


class Upload(Protocol):
    """A recording whose bytes must be sent. Compatible with `api.streams.Body`."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes; None if unknown."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether the bytes can be read (again) from the first on."""
        ...

    def open(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in chunks."""
        ...


def printable(path: str) -> str:
    """A path in printable form."""
    # Names that are not valid UTF-8 contain surrogates, which no terminal or log can print.
    return path.encode("utf-8", "backslashreplace").decode("utf-8") if not path.isascii() else path


def reason(error: Exception) -> str:
    """Why a file can't be read."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "can't be read (permission denied)"
        case OSError():
            return f"can't be read: {error.strerror or error}"
    return f"can't be read: {error}"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[BinaryFile]:
    """A file, open for reading, closed whatever happens."""
    # Shielded, because a trip to a thread may never happen if it is cancelled: the file would stay open.
    with anyio.CancelScope(shield=True):
        file = await aiofiles.open(path, "rb")
    try:
        yield file
    finally:
        with anyio.CancelScope(shield=True):
            await file.close()


async def _call(function: Callable[..., object], *arguments: object) -> int:
    # In a thread, because the disk may be slow; by run_in_executor, because the tests' virtual clocks support it.
    if inspect.iscoroutinefunction(function):
        result = await function(*arguments)
    else:
        result = await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
        if inspect.isawaitable(result):
            result = await result
    return result  # type: ignore[no-any-return]


async def extent(file: BinaryFile) -> tuple[int, int]:
    """A file's present position and its end.

    Raises:
        AttributeError, OSError, ValueError: It can't be rewound.
    """
    start = await _call(file.tell)  # type: ignore[attr-defined]
    end = await _call(file.seek, 0, os.SEEK_END)  # type: ignore[attr-defined]
    await _call(file.seek, start)  # type: ignore[attr-defined]
    return start, end


async def _read(read: Callable[[int], bytes | Awaitable[bytes]], name: str) -> bytes:
    try:
        if inspect.iscoroutinefunction(read):
            chunk = await read(CHUNK_BYTES)
        else:
            chunk = await asyncio.get_running_loop().run_in_executor(None, read, CHUNK_BYTES)
            if inspect.isawaitable(chunk):
                chunk = await chunk
    except (OSError, ValueError) as error:
        raise SourceError(name, reason(error)) from error
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise SourceError(name, f"reading it returns {type(chunk).__name__}, not bytes; open it with mode 'rb'")
    return bytes(chunk)


async def read_all(file: BinaryFile, name: str) -> AsyncIterator[bytes]:
    """The rest of a file that can't be rewound.

    Args:
        file: The file.
        name: Its name in messages.
    """
    # `read` of a buffered pipe waits for a whole chunk; `read1` returns what is available.
    read = getattr(file, "read1", file.read)
    while chunk := await _read(read, name):
        yield chunk


class _Chunks:
    """The bytes of a file of a known size: neither fewer nor more."""

    def __init__(self, file: BinaryFile, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self._left = size

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await _read(self._file.read, self._name)
        self._left -= len(chunk)
        if self._left < 0 or (not chunk and self._left):
            change = "grew" if self._left < 0 else "shrank"
            raise SourceError(self._name, f"the file {change} while it was being uploaded")
        if not chunk:
            raise StopAsyncIteration
        return chunk


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on disk, opened again for every attempt."""

    path: Path
    size: int
    repeatable: bool = True

    @property
    def name(self) -> str:
        """The path."""
        return printable(str(self.path))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The file's bytes.

        Raises:
            SourceError: The file can't be opened or read any more, or its size has changed.
        """
        async with AsyncExitStack() as stack:
            try:
                file = await stack.enter_async_context(opened(self.path))
            except OSError as error:
                raise SourceError(self.name, reason(error)) from error
            yield _Chunks(file, self.name, self.size)


@dataclass(frozen=True, slots=True)
class SeekableFile:
    """The caller's binary file, rewound to its original position for every attempt, never closed."""

    name: str
    file: BinaryFile
    start: int
    size: int
    repeatable: bool = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes from the original position on.

        Raises:
            SourceError: The file can't be rewound or read.
        """
        try:
            await _call(self.file.seek, self.start)  # type: ignore[attr-defined]
        except (OSError, ValueError) as error:
            raise SourceError(self.name, reason(error)) from error
        yield _Chunks(self.file, self.name, self.size)


@dataclass(frozen=True, slots=True)
class InMemory:
    """The caller's bytes; they are copied one chunk at a time."""

    data: memoryview
    repeatable: bool = True

    @property
    def name(self) -> str:
        """The number of bytes."""
        return f"<{self.size} bytes>"

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.data.nbytes

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes, a chunk at a time."""

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, self.size, CHUNK_BYTES):
                yield bytes(self.data[start : start + CHUNK_BYTES])

        iterator = chunks()
        try:
            yield iterator
        finally:
            await iterator.aclose()  # type: ignore[attr-defined]


class Stream:
    """An async iterable of bytes. It can be read once, so an attempt is only repeated while nothing was read."""

    size: int | None = None

    def __init__(self, name: str, stream: AsyncIterable[bytes]) -> None:
        self.name = name
        self._stream = stream
        self._begun = False

    @property
    def repeatable(self) -> bool:
        """Whether nothing was read yet."""
        return not self._begun

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The stream's bytes.

        Raises:
            SourceError: The stream was read before, is empty, yields something other than bytes, or raised an error.
        """
        if self._begun:
            raise SourceError(self.name, "the stream was read already; a stream can be transcribed once")
        yield self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first = not self._begun
        if first:
            self._begun = True
            self._iterator = aiter(self._stream)
        try:
            # Skips empty chunks, because one would end a chunked request body.
            while not (chunk := await anext(self._iterator)):
                pass
        except StopAsyncIteration:
            if first:
                raise SourceError(self.name, "the stream is empty") from None
            raise
        except SourceError:
            raise
        except Exception as error:
            raise SourceError(self.name, f"reading the stream failed: {error!r}") from error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise SourceError(self.name, "the stream raised CancelledError, and nobody had cancelled it") from error
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise SourceError(self.name, f"the stream yields {type(chunk).__name__}, not bytes")
        return bytes(chunk)


class Pipe(Stream):
    """A named pipe (or a shell's `<(...)`): a stream that is opened by its path.

    The event loop reads it. A thread that opened a pipe without a writer could never be ended, and would keep the
    process from exiting.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(printable(str(path)), self._content(path))

    @staticmethod
    async def _content(path: Path) -> AsyncIterator[bytes]:
        reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        # Without O_NONBLOCK, opening waits for a writer.
        pipe = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                yield chunk
        finally:
            transport.close()

"""What can be transcribed: a URL, a path, bytes, a binary file, an async stream of bytes.

Opening a source checks it, so that a missing, empty or unreadable file is an error before any request. Bytes are
read in chunks; no source is ever held in memory as a whole, except the bytes a caller passes as bytes.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeAlias, runtime_checkable
from urllib.parse import urlsplit

import aiofiles
import aiofiles.os
import anyio

from asyncscribe.containment import is_cancelled
from asyncscribe.errors import SourceError

#: Bytes read at once. Each read is a trip to a thread: with 1 to 4 MiB uploads were as fast as curl's and faster, with
#: 64 KiB half as fast. 2 MiB gained a tenth over 1 MiB on loopback and took up to 6 MiB more memory.
CHUNK_BYTES = 1024 * 1024


@runtime_checkable
class BinaryFile(Protocol):
    """A file opened for reading bytes; `read` may be a plain or an async method."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class SignedOnDemand:
    """A recording whose URL is signed when it is submitted, because one signed earlier may have expired.

    Attributes:
        name: How messages name it; no secret.
        sign: Makes the URL that the service will fetch it by.
    """

    name: str
    sign: Callable[[], Awaitable[str]]


Source: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | AsyncIterable[bytes] | SignedOnDemand"
)
"""What can be transcribed: a path or a URL, bytes, a binary file, an async iterable of bytes, a `SignedOnDemand`."""


@dataclass(frozen=True, slots=True)
class Url:
    """A recording that the service fetches by itself.

    Attributes:
        url: The whole address, as the service gets it.
        name: The address without its query, which may hold a signature.
    """

    url: str
    name: str


class Upload(Protocol):
    """A recording whose bytes have to be sent. Fits `transport.Body`."""

    @property
    def name(self) -> str:
        """How messages name it."""
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


def name_of(source: object) -> str:
    """How messages name a source: a path, an address without its query, or the kind of thing it is."""
    match source:
        case str() if _is_url(source):
            scheme, _, rest = source.partition("://")
            address = rest.partition("?")[0].partition("#")[0]
            host, slash, path = address.partition("/")
            return _printable(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}")
        case str() | os.PathLike():
            return _printable(os.fspath(source))
        case bytes() | bytearray() | memoryview():
            return f"<{len(source)} bytes>"
    name = getattr(source, "name", None)
    return _printable(name) if isinstance(name, str) and name else f"<{type(source).__name__}>"


async def resolve(source: Source) -> Url | SignedOnDemand | Upload:
    """Find out what a source is and check what can be checked before a request.

    Raises:
        SourceError: It does not exist, is a folder, is empty, can't be read, or is nothing that can be transcribed.
    """
    match source:
        case SignedOnDemand():
            return source
        case str() if "://" in source:
            return _url(source)
        case str() | os.PathLike():
            return await _path(Path(os.fspath(source)))
        case bytes() | bytearray() | memoryview():
            return _bytes(source)
        case AsyncIterable() if not isinstance(source, BinaryFile):
            return Stream(name_of(source), source)
        case BinaryFile():
            return await _file(source)
    raise SourceError(
        name_of(source),
        "can't be transcribed; give a path, a URL, bytes, a binary file or an async iterable of bytes",
    )


def _is_url(text: str) -> bool:
    return text.partition("://")[0].lower() in {"http", "https"} and "://" in text


def _printable(path: str) -> str:
    # Names that are not valid UTF-8 arrive with surrogates, which no terminal or log can print.
    return path.encode("utf-8", "backslashreplace").decode("utf-8") if not path.isascii() else path


def _url(text: str) -> Url:
    name = name_of(text)
    if not _is_url(text):
        scheme = text.partition("://")[0]
        raise SourceError(name, f"the service fetches http and https only, not {scheme}; sign a URL for it first")
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host:
        raise SourceError(name, "the URL names no host")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise SourceError(name, "the URL holds bytes that are no UTF-8")
    return Url(text, name)


async def _path(path: Path) -> Upload:
    name = _printable(str(path))
    try:
        status = await aiofiles.os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(name, "is a folder; transcribe its files one by one, or all with `asyncscribe batch`")
        if stat.S_ISFIFO(status.st_mode):
            return _Pipe(path)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(name, "is not a regular file")
        if status.st_size == 0:
            raise SourceError(name, "is empty")
        async with _opened(path):
            pass
    except (OSError, ValueError) as error:
        raise SourceError(name, _reason(error)) from error
    return LocalFile(path, status.st_size)


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "can't be read (permission denied)"
        case OSError():
            return f"can't be read: {error.strerror or error}"
    return f"can't be read: {error}"


def _bytes(data: bytes | bytearray | memoryview) -> Upload:
    view = memoryview(data).cast("B")
    if not view:
        raise SourceError(name_of(data), "there is nothing in it")
    return InMemory(view)


async def _file(file: BinaryFile) -> Upload:
    name = name_of(file)
    if getattr(file, "closed", False):
        raise SourceError(name, "the file is closed")
    if isinstance(getattr(file, "mode", "rb"), str) and "b" not in getattr(file, "mode", "rb"):
        raise SourceError(name, "the file is open for text; open it with mode 'rb'")
    try:
        start = await _call(file.tell)  # type: ignore[attr-defined]
        end = await _call(file.seek, 0, os.SEEK_END)  # type: ignore[attr-defined]
        await _call(file.seek, start)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return Stream(name, _read_all(file))
    if end <= start:
        raise SourceError(name, "there is nothing left to read in it")
    return SeekableFile(name, file, start, end - start)


@asynccontextmanager
async def _opened(path: Path, buffering: int = -1) -> AsyncIterator[BinaryFile]:
    # Shielded, since a cancelled trip to a thread may never be made: the file would stay open.
    with anyio.CancelScope(shield=True):
        file = await aiofiles.open(path, "rb", buffering)
    try:
        yield file
    finally:
        with anyio.CancelScope(shield=True):
            await file.close()


async def _call(function: Callable[..., object], *arguments: object) -> int:
    # In a thread, because the disk may be slow; run_in_executor is what virtual clocks in tests can see.
    if inspect.iscoroutinefunction(function):
        result = await function(*arguments)
    else:
        result = await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
        if inspect.isawaitable(result):
            result = await result
    return result  # type: ignore[no-any-return]


async def _read(read: Callable[[int], bytes | Awaitable[bytes]], name: str) -> bytes:
    try:
        if inspect.iscoroutinefunction(read):
            chunk = await read(CHUNK_BYTES)
        else:
            chunk = await asyncio.get_running_loop().run_in_executor(None, read, CHUNK_BYTES)
            if inspect.isawaitable(chunk):
                chunk = await chunk
    except (OSError, ValueError) as error:
        raise SourceError(name, _reason(error)) from error
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise SourceError(name, f"reading it gives {type(chunk).__name__}, not bytes; open it with mode 'rb'")
    return bytes(chunk)


async def _read_all(file: BinaryFile) -> AsyncIterator[bytes]:
    # `read` of a buffered pipe waits for a whole chunk; `read1` gives what is there.
    read = getattr(file, "read1", file.read)
    while chunk := await _read(read, name_of(file)):
        yield chunk


class _Chunks:
    """The bytes of a file up to its promised size: neither fewer nor more."""

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
        return _printable(str(self.path))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The file's bytes.

        Raises:
            SourceError: The file can't be opened or read any more, or it changed its size.
        """
        async with AsyncExitStack() as stack:
            try:
                file = await stack.enter_async_context(_opened(self.path))
            except OSError as error:
                raise SourceError(self.name, _reason(error)) from error
            yield _Chunks(file, self.name, self.size)


@dataclass(frozen=True, slots=True)
class SeekableFile:
    """A binary file of the caller's, rewound to where it stood for every attempt, never closed."""

    name: str
    file: BinaryFile
    start: int
    size: int
    repeatable: bool = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes from where the file stood.

        Raises:
            SourceError: The file can't be rewound or read.
        """
        try:
            await _call(self.file.seek, self.start)  # type: ignore[attr-defined]
        except (OSError, ValueError) as error:
            raise SourceError(self.name, _reason(error)) from error
        yield _Chunks(self.file, self.name, self.size)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Bytes that the caller holds; only views of them are made."""

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
            SourceError: The stream was read before, is empty, gives something else than bytes, or raised an error.
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
            # An empty chunk would end a chunked request body.
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
            raise SourceError(self.name, f"the stream gives {type(chunk).__name__}, not bytes")
        return bytes(chunk)


class _Pipe(Stream):
    """A named pipe (or a shell's `<(...)`): a stream that is opened by its path.

    It is read by the event loop. A thread that opened a pipe without a writer could never be ended, and would keep the
    process from exiting.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(_printable(str(path)), self._content(path))

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

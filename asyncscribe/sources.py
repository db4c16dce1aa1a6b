"""What can be transcribed: a URL, a path, bytes, a binary file, an async stream of bytes.

Resolving a source checks it, so that a missing, empty or unreadable file is an error before any request.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import aiofiles.os

from asyncscribe.bodies import (
    BinaryFile,
    InMemory,
    LocalFile,
    Pipe,
    SeekableFile,
    Stream,
    Upload,
    extent,
    opened,
    printable,
    read_all,
    reason,
)
from asyncscribe.errors import SourceError


@dataclass(frozen=True, slots=True)
class SignedOnDemand:
    """A recording whose URL is signed when it is submitted, because one signed earlier may have expired.

    Attributes:
        name: Its name in messages; must not be secret.
        sign: Makes the URL that the service will fetch.
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


def name_of(source: object) -> str:
    """A source's name in messages: a path, an address without its query, or its type."""
    match source:
        case str() if _is_url(source):
            scheme, _, rest = source.partition("://")
            address = rest.partition("?")[0].partition("#")[0]
            host, slash, path = address.partition("/")
            return printable(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}")
        case str() | os.PathLike():
            return printable(os.fspath(source))
        case bytes() | bytearray() | memoryview():
            return f"<{len(source)} bytes>"
    name = getattr(source, "name", None)
    return printable(name) if isinstance(name, str) and name else f"<{type(source).__name__}>"


async def resolve(source: Source) -> Url | SignedOnDemand | Upload:
    """Classify a source, and check what can be checked before a request.

    Raises:
        SourceError: It does not exist, is a folder, is empty, can't be read, or can't be transcribed.
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
        raise SourceError(name, "the URL holds bytes that are not UTF-8")
    return Url(text, name)


async def _path(path: Path) -> Upload:
    name = printable(str(path))
    try:
        status = await aiofiles.os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(name, "is a folder; transcribe its files one by one, or all with `asyncscribe batch`")
        if stat.S_ISFIFO(status.st_mode):
            return Pipe(path)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(name, "is not a regular file")
        if status.st_size == 0:
            raise SourceError(name, "is empty")
        async with opened(path):
            pass
    except (OSError, ValueError) as error:
        raise SourceError(name, reason(error)) from error
    return LocalFile(path, status.st_size)


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
        start, end = await extent(file)
    except (AttributeError, OSError, ValueError):
        return Stream(name, read_all(file, name))
    if end <= start:
        raise SourceError(name, "nothing is left to read in it")
    return SeekableFile(name, file, start, end - start)

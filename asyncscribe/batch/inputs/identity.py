"""What makes two recordings the same, and two configurations.

A file is its content: the same recording under two names is paid once, and a changed file is another recording. It is
rehashed only if size or modification time changed. Each content and configuration is one job: the journals' `assign`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from asyncscribe.batch.inputs.naming import as_text
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.sources import SignedOnDemand

#: Bytes hashed between two checks whether the caller still waits.
CHUNK_BYTES = 1024 * 1024

#: Parameters that sign a URL, in lower case: AWS and Google (by prefix), Azure, CloudFront and older schemes. A URL
#: with one of `_SIGNATURES` is signed, and then all of these are ignored in its identity.
_SIGNING_PREFIXES = ("x-amz-", "x-goog-")
_SIGNING = frozenset(
    "awsaccesskeyid googleaccessid expires policy key-pair-id se sp sv sr st spr ske skoid sks skt sktid skv".split()
)
_SIGNATURES = frozenset({"signature", "sig", "x-amz-signature", "x-goog-signature"})


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file at one moment.

    Attributes:
        size: Bytes.
        modified: Nanoseconds of its last change.
    """

    size: int
    modified: int


def stamp_of(path: Path) -> FileStamp | None:
    """Size and modification time of a regular file; None if it is missing or empty."""
    try:
        status = path.stat()
        return FileStamp(status.st_size, status.st_mtime_ns) if path.is_file() and status.st_size else None
    except (OSError, ValueError):
        return None


async def content_of_file(path: Path) -> str:
    """The identity of a file's content.

    Raises:
        OSError: It can't be read.
    """
    abandoned = threading.Event()
    try:
        return await asyncio.get_running_loop().run_in_executor(None, _sha256, path, abandoned)
    finally:
        abandoned.set()


def content_of_url(url: str) -> str:
    """The identity of a URL's content: the URL without a temporary signature."""
    # A list can hold bytes that are no text, which no journal stores; its job says what is wrong.
    url = url.encode("utf-8", "backslashreplace").decode()
    if "sig" not in url.lower():
        # It has no name of a signature. Parsing a hundred thousand addresses takes a second.
        return f"url:{url}"
    try:
        parts = urlsplit(url)
    except ValueError:
        # Its job says that it is no URL.
        return f"url:{url}"
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(name.lower() in _SIGNATURES for name, _ in query):
        query = [(name, value) for name, value in query if not _signs(name.lower())]
        url = urlunsplit(parts._replace(query=urlencode(query)))
    return f"url:{url}"


def content_of_item(source: str | SignedOnDemand, content: str | None) -> str:
    """The identity of a URL's content, or of an object in a store, which includes its version."""
    return content or content_of_url(source.name if isinstance(source, SignedOnDemand) else source)


def identity_of(source: Path | str | SignedOnDemand) -> str:
    """What a recording is known by, apart from its name: its absolute path, or its address without a signature."""
    if isinstance(source, SignedOnDemand):
        return source.name
    if isinstance(source, str) and "://" in source:
        return content_of_url(source).removeprefix("url:")
    return as_text(os.path.abspath(source))  # noqa: PTH100 - links are kept: where they lead may change


def fingerprint(config: TranscriptionConfig) -> str:
    """The identity of a configuration, as a hash."""
    canonical = json.dumps(config.to_wire(), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _sha256(path: Path, abandoned: threading.Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while (chunk := file.read(CHUNK_BYTES)) and not abandoned.is_set():
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _signs(name: str) -> bool:
    return name in _SIGNING or name in _SIGNATURES or name.startswith(_SIGNING_PREFIXES)

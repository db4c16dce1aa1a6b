"""The names of recordings in the output folder. Pure.

A name must work on any file system that a batch may be moved to: on macOS and Windows, names that differ only by case
or by the encoding of accents are one file; no part can be longer than 255 bytes with a format's suffix; no name must
lead out of the folder.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import PurePosixPath

#: Bytes of one part of a path, on all usual file systems.
LONGEST_PART = 255
#: Bytes kept free for a format's suffix (`.json`, `.text`) and a variant's number (`~123456`).
RESERVED = 13


def safe(name: str) -> str:
    """A relative path that can't lead out of a folder, and is short enough to be written.

    Args:
        name: Parts between slashes.
    """
    parts = [_part(part) for part in as_text(name).split("/") if part not in {"", "."}]
    return "/".join(parts) or "recording"


def as_text(name: str) -> str:
    """A name or path that a journal can store: invalid Unicode is escaped, and a hash keeps it unique."""
    try:
        name.encode()
    except UnicodeEncodeError:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        path = PurePosixPath(name.encode("utf-8", "backslashreplace").decode().replace("\\", "_"))
        return str(path.with_name(f"{path.stem}~{digest}{path.suffix}"))
    return name


def fold(name: str) -> str:
    """The folded form of a name: equal for two names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def variants(name: str) -> Iterator[str]:
    """Variants of a name: `a~2.wav`, `a~3.wav`, ..."""
    path = PurePosixPath(name)
    for number in count(2):
        yield str(path.with_name(f"{path.stem}~{number}{path.suffix}"))


def _part(part: str) -> str:
    if part == "..":
        return "__"
    if len(part) >= 2 and part[1] == ":" and part[0].isalpha():
        # A Windows drive.
        part = f"{part[0]}_{part[2:]}"
    encoded = part.encode()
    room = LONGEST_PART - RESERVED
    if len(encoded) <= room:
        return part
    suffix = PurePosixPath(part).suffix
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    kept = encoded[: room - len(digest) - 1 - len(suffix.encode())].decode("utf-8", "ignore")
    return f"{kept}~{digest}{suffix}"

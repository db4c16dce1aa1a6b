"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A place to write a file to, which takes the name of `path` once it is written.

    At any moment there is the old file, the new one or none, also after a power cut. What is no regular file, such as
    `/dev/stdout` or a named pipe, is written to directly.

    Raises:
        OSError: It can't be written; nothing half-written is left.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    # A short name: the target's may already be as long as the file system allows. The same each time, so that what a
    # killed process left is written over and not left for ever.
    digest = hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    temporary = path.with_name(f".asyncscribe-{digest}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str) -> None:
    """Write a text file, whole or not at all; the folder is made if it is missing.

    Raises:
        OSError: It can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_or_nothing(path) as place,
        place.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.write(content)

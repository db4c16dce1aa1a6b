"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which is renamed to `path` once it is written.

    At any moment the old file, the new one or none exists, also after a power cut. If `path` is not a regular file,
    such as `/dev/stdout` or a named pipe, it is written to directly.

    Raises:
        OSError: It can't be written; no half-written file is left.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    # A short name, because the target's may be as long as the file system allows. The same each time, so that a killed
    # process's leftover is overwritten.
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
    """Write a text file, whole or not at all; its folder is created if missing.

    Raises:
        OSError: It can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_or_nothing(path) as place,
        place.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.write(content)

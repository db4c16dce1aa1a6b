"""The sources that a command line names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from glob import has_magic
from pathlib import Path

from asyncscribe.batch.inputs.discovery import is_url
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.cli.display.rendering import printable
from asyncscribe.cli.exits import UserError


def named(sources: Sequence[str], from_file: Path | None) -> Iterator[str]:
    """The sources of the command line, and those that a file or stdin names, one a line.

    Raises:
        UserError: There are none, or the file can't be read.
    """
    some = False
    for source in sources:
        for text in _lines(Path("-")) if source == "-" else [source] if source else []:
            some = True
            yield text
    for text in _lines(from_file) if from_file is not None else ():
        some = True
        yield text
    if not some:
        raise UserError("nothing to transcribe is named", "give folders, files or URLs")


def _lines(path: Path) -> Iterator[str]:
    """The sources that a file or stdin names, one a line, without blank lines and a byte order mark.

    Raises:
        UserError: It can't be read.
    """
    try:
        if str(path) == "-":
            lines = [line.decode("utf-8", "surrogateescape") for line in sys.stdin.buffer]
        else:
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines):
        text = (line.removeprefix("\ufeff") if number == 0 else line).strip("\r\n")
        if text.strip():
            yield text


def require_some(sources: Sequence[str], output: Path) -> None:
    """Catch a misspelt folder before anything is created for it. A batch that was begun may have lost its sources.

    Raises:
        UserError: None of the sources exists.
    """
    if (output / JOURNAL_NAME).exists():
        return
    if any(map(_exists, sources)):
        return
    raise UserError(f"there is no {printable(sources[0])}{' nor any other source' if len(sources) > 1 else ''}")


def require_all(sources: Sequence[str]) -> None:
    """Catch a misspelt source.

    Raises:
        UserError: One of them does not exist.
    """
    for source in sources:
        if not _exists(source):
            raise UserError(f"there is no {printable(source)}")


def _exists(source: str) -> bool:
    return is_url(source) or is_store(source) or has_magic(source) or os.path.lexists(source)

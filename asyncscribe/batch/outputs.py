"""Transcripts as files: one per recording and format, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Protocol

import anyio
import msgspec

from asyncscribe.files import write_atomically
from asyncscribe.models.transcript import Transcript


class Format(StrEnum):
    """What a transcript is written as; also the suffix of the file."""

    TEXT = "text"
    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def render(transcript: Transcript, form: Format) -> str:
    """A transcript in a format, with a line break at the end. JSON is the service's document, unchanged."""
    match form:
        case Format.JSON:
            # Ten times as fast as `json`, which indents in Python.
            content = msgspec.json.format(msgspec.json.encode(transcript.document), indent=2).decode()
        case Format.SRT:
            content = transcript.to_srt()
        case Format.VTT:
            content = transcript.to_vtt()
        case _:
            content = transcript.to_text(speakers=True)
    return content if content.endswith("\n") else content + "\n"


class Outputs(Protocol):
    """Where transcripts go: a folder, or an object store."""

    @property
    def formats(self) -> tuple[str, ...]:
        """What is written for each transcript."""
        ...

    def path(self, name: str, form: str) -> PurePath | str:
        """The path or address of a recording's file in a format."""
        ...

    def present(self, name: str, known: Collection[str], *, every: bool = False) -> frozenset[str]:
        """The formats of which a recording has a file. Blocks.

        Args:
            name: Its name.
            known: The formats that were written, according to the journal.
            every: Look for every format, not only for those of this batch.
        """
        ...

    async def write(self, name: str, transcript: Transcript) -> Sequence[PurePath | str]:
        """Write a transcript in all formats, and return the paths or addresses.

        Raises:
            OSError: It can't be written; no half-written file is left.
        """
        ...


class FolderOutputs:
    """Writes transcripts below a folder.

    Args:
        folder: The output folder; made when the first file is written.
        formats: What is written for each transcript.
        trusting: Trust the journal about which files exist, because other machines may write into folders that can't
            be seen here.
    """

    def __init__(self, folder: Path, formats: Sequence[Format | str], *, trusting: bool = False) -> None:
        self._folder = folder
        self._trusting = trusting
        self._formats = tuple(dict.fromkeys(map(Format, formats)))

    def paths(self, name: str) -> list[Path]:
        """The files of a recording, in the order of the formats."""
        return [self.path(name, form) for form in self.formats]

    @property
    def formats(self) -> tuple[str, ...]:
        """What is written for each transcript."""
        return tuple(form.value for form in self._formats)

    def path(self, name: str, form: str) -> Path:
        """The file of a recording in a format."""
        return self._folder / f"{name}.{form}"

    def present(self, name: str, known: Collection[str] = (), *, every: bool = False) -> frozenset[str]:
        """See `Outputs`."""
        if self._trusting:
            return frozenset(known)
        # Called for each recording of a batch: `Path` takes three times as long.
        return frozenset(
            form.value
            for form in (Format if every else self._formats)
            if os.path.isfile(f"{self._folder}{os.sep}{name}.{form.value}")  # noqa: PTH113
        )

    async def write(self, name: str, transcript: Transcript) -> list[Path]:
        """See `Outputs`."""
        paths = self.paths(name)
        contents = [render(transcript, form) for form in self._formats]
        # A thread can't be interrupted: when cancelled, wait for it rather than leave it behind.
        with anyio.CancelScope(shield=True):
            await asyncio.get_running_loop().run_in_executor(None, _write_all, paths, contents)
        return paths


def _write_all(paths: Sequence[Path], contents: Sequence[str]) -> None:
    for path, content in zip(paths, contents, strict=True):
        write_atomically(path, content)

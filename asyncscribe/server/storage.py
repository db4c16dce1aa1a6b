"""Uploads and downloads in a temporary folder, bounded in size, removed at exit."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

#: The service accepts uploads of at most 2.2 GB (its FAQ); larger files must be given by URL.
LARGEST_UPLOAD = 2_200_000_000
#: Bytes of all uploads that are kept; beyond that, the oldest that no job needs are deleted, as the service deletes
#: its own after a day.
LARGEST_TOTAL = 20_000_000_000
#: Bytes collected before they are written, because each write is a trip to a thread.
WRITE_BYTES = 1024 * 1024


class TooLarge(Exception):
    """More bytes than are allowed."""


@dataclass(slots=True)
class _Stored:
    path: Path
    size: int
    users: int = 0


class Storage:
    """Files by key. Failed uploads leave nothing behind.

    Args:
        largest_upload: Most bytes of one file.
        largest_total: Most bytes of all files.
    """

    def __init__(self, largest_upload: int = LARGEST_UPLOAD, largest_total: int = LARGEST_TOTAL) -> None:
        self._largest_upload = largest_upload
        self._largest_total = largest_total
        self._folder: Path | None = None
        self._files: OrderedDict[str, _Stored] = OrderedDict()
        self._total = 0

    def open(self) -> None:
        """Create the folder."""
        self._folder = Path(tempfile.mkdtemp(prefix="asyncscribe-"))

    def close(self) -> None:
        """Remove the folder and all files."""
        folder, self._folder = self._folder, None
        self._files.clear()
        self._total = 0
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where the files are.

        Raises:
            RuntimeError: The storage is not open.
        """
        if self._folder is None:
            raise RuntimeError("the storage is not open")
        return self._folder

    async def save(self, chunks: AsyncIterable[bytes], *, limit: int | None = None) -> str:
        """Store a stream and return its key.

        Raises:
            TooLarge: There are more bytes than `limit` (default: the largest upload); nothing is kept.
        """
        key = f"{secrets.token_hex(16)}/{uuid.uuid4()}"
        path = self.folder / key.replace("/", "-")
        try:
            size = await _write(path, chunks, self._largest_upload if limit is None else limit)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._files[key] = _Stored(path, size)
        self._total += size
        self._make_room(but=key)
        return key

    def use(self, key: str) -> Path | None:
        """The file, kept until `release`; None if it does not exist (any more)."""
        stored = self._files.get(key)
        if stored is None:
            return None
        stored.users += 1
        return stored.path

    def release(self, key: str) -> None:
        """Mark the file as no longer in use."""
        if (stored := self._files.get(key)) is not None:
            stored.users -= 1
            self._make_room()

    def remove(self, key: str) -> None:
        """Delete a file."""
        if (stored := self._files.pop(key, None)) is not None:
            self._total -= stored.size
            stored.path.unlink(missing_ok=True)

    def _make_room(self, but: str | None = None) -> None:
        if self._total <= self._largest_total:
            return
        for key in [key for key, stored in self._files.items() if not stored.users and key != but]:
            self.remove(key)
            if self._total <= self._largest_total:
                return


async def _write(path: Path, chunks: AsyncIterable[bytes], limit: int) -> int:
    loop = asyncio.get_running_loop()
    size = 0
    pending = bytearray()
    file = await loop.run_in_executor(None, path.open, "wb")
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"more than {limit} bytes")
            pending += chunk
            if len(pending) >= WRITE_BYTES:
                await loop.run_in_executor(None, file.write, pending)
                pending = bytearray()
        await loop.run_in_executor(None, file.write, pending)
    finally:
        await loop.run_in_executor(None, file.close)
    return size

"""Transcripts as objects of a store: one per recording and format, whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncscribe.batch.outputs import Format, render
from asyncscribe.errors import ConfigurationError
from asyncscribe.models.transcript import Transcript


class StoreOutputs:
    """Writes transcripts below a prefix of an object store; see `Outputs`.

    The journal is trusted about which objects exist, because a request for each of a million objects is too much. A
    transcript always has the same key, so two processes that write it write the same.

    Args:
        address: `s3://bucket/prefix`; likewise `gs` and `az`.
        formats: What is written for each transcript.

    Raises:
        ConfigurationError: obstore is not installed, or the address can't be used.
    """

    def __init__(self, address: str, formats: Sequence[Format | str]) -> None:
        try:
            import obstore
        except ImportError as error:
            raise ConfigurationError("object stores need obstore: pip install 'asyncscribe[stores]'") from error
        scheme, _, rest = address.partition("://")
        bucket, _, prefix = rest.partition("/")
        if not bucket:
            raise ConfigurationError(f"{address} names no bucket; give {scheme}://BUCKET/PREFIX")
        self._root = f"{scheme.lower()}://{bucket}"
        self._prefix = prefix.strip("/")
        self._formats = tuple(dict.fromkeys(map(Format, formats)))
        try:
            self._store: Any = obstore.store.from_url(self._root)
        except ValueError as error:
            raise ConfigurationError(f"{address} can't be used: {str(error).splitlines()[0]}") from None

    @property
    def formats(self) -> tuple[str, ...]:
        """See `Outputs`."""
        return tuple(form.value for form in self._formats)

    def path(self, name: str, form: str) -> str:
        """See `Outputs`."""
        return f"{self._root}/{self._key(name, form)}"

    def _key(self, name: str, form: str) -> str:
        return f"{self._prefix}/{name}.{form}" if self._prefix else f"{name}.{form}"

    def present(self, name: str, known: Collection[str] = (), *, every: bool = False) -> frozenset[str]:  # noqa: ARG002
        """See `Outputs`."""
        return frozenset(known)

    async def read(self, name: str) -> str | None:
        """The content of an object, by its name with the format; None if it can't be read."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            answer = await obstore.get_async(self._store, f"{self._prefix}/{name}" if self._prefix else name)
            return bytes(await answer.bytes_async()).decode("utf-8")
        except (BaseError, OSError, ValueError):
            return None

    async def write(self, name: str, transcript: Transcript) -> list[str]:
        """See `Outputs`."""
        for form in self._formats:
            await self.put(f"{name}.{form.value}", render(transcript, form).encode())
        return [self.path(name, form.value) for form in self._formats]

    async def names(self, suffix: str) -> AsyncGenerator[tuple[str, datetime], None]:
        """The names of the objects below the prefix that end in something, and when each was last written.

        Raises:
            OSError: The store can't be listed.
        """
        import obstore
        from obstore.exceptions import BaseError

        try:
            async for page in obstore.list(self._store, self._prefix or None):
                for meta in page:
                    if meta["path"].endswith(suffix):
                        yield meta["path"].removeprefix(f"{self._prefix}/"), meta["last_modified"]
        except (BaseError, OSError) as error:
            kind = type(error).__name__.removesuffix("Error")
            raise OSError(f"{self._root}/{self._prefix} can't be listed ({kind})") from None

    async def put(self, name: str, content: bytes | Path) -> None:
        """Write an object; a file is sent in pieces.

        Raises:
            OSError: The store refuses it.
        """
        import obstore
        from obstore.exceptions import BaseError

        key = f"{self._prefix}/{name}" if self._prefix else name
        try:
            await obstore.put_async(self._store, key, content)
        except (BaseError, OSError) as error:
            # Of a bucket that is missing, obstore raises Python's own error, with the whole answer in it.
            kind = type(error).__name__.removesuffix("Error")
            raise OSError(f"{self._root}/{key} can't be written ({kind})") from None

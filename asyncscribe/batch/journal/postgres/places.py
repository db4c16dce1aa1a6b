"""How a journal that many machines share names local files: `file://host/path`.

The same path may lead to different recordings on two machines, and to nothing on a third. So a path is kept with its
host, and shown as a plain path only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from asyncscribe.batch.journal.records import Entry, Newcomer, Recording

T = TypeVar("T")


class Places:
    """Translates between identities here and identities in the journal.

    Args:
        host: The host of local files; None if all machines see the same ones.
    """

    def __init__(self, host: str | None) -> None:
        self._prefix = "" if host is None else f"file://{host}"

    def inward(self, identity: str) -> str:
        """As the journal knows it."""
        return identity if "://" in identity else f"{self._prefix}{identity}"

    def outward(self, identity: str) -> str:
        """As this process knows it: other machines' files stay addresses."""
        if self._prefix and identity.startswith(f"{self._prefix}/"):
            return identity.removeprefix(self._prefix)
        return identity

    def recording(self, recording: Recording) -> Recording:
        """A recording, inward."""
        return replace(recording, identity=self.inward(recording.identity))

    def newcomer(self, newcomer: Newcomer) -> Newcomer:
        """A newcomer, inward."""
        return replace(newcomer, identity=self.inward(newcomer.identity))

    def entry(self, entry: Entry) -> Entry:
        """An entry, outward."""
        return replace(entry, recording=replace(entry.recording, identity=self.outward(entry.recording.identity)))

    def keys(self, values: Mapping[str, T]) -> dict[str, T]:
        """Values by identity, inward."""
        return {self.inward(identity): value for identity, value in values.items()}

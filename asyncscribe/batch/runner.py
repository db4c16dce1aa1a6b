"""`Batch`: discovers recordings, has them transcribed, writes the transcripts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncscribe.batch.discovery import Discovery, Item, Unreadable
from asyncscribe.batch.outputs import Format, Outputs
from asyncscribe.client import AsyncClient
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How one recording of a batch ended.

    Attributes:
        item: The recording.
        transcript: Its transcript, also when it could not be written.
        error: Why there are no files; None if there are.
        files: The files that were written.
        submissions: How many times it was submitted.
        elapsed: Seconds from when it was taken up to the end.
    """

    item: Item
    transcript: Transcript | None
    error: Exception | None
    files: tuple[Path, ...]
    submissions: int
    elapsed: float


class Batch:
    """Transcribes folders, files and URLs into a folder.

    Args:
        client: An open client.
        output: Where the transcripts go: `<relative path with its suffix>.<format>`.
        formats: What is written for each recording.
        config: What the service is asked to do.
    """

    def __init__(
        self,
        client: AsyncClient,
        output: str | Path,
        *,
        formats: Sequence[Format] = (Format.JSON,),
        config: TranscriptionConfig | None = None,
    ) -> None:
        self._client = client
        self._output = Path(output)
        self._outputs = Outputs(self._output, formats)
        self._config = config
        self._discovery = Discovery((), self._output)
        self._stopped = False

    def stop(self) -> None:
        """Take up no more recordings; those that are under way, and may be paid for, end and are told."""
        self._stopped = True

    @property
    def unreadable(self) -> list[Unreadable]:
        """Folders that could not be read so far."""
        return self._discovery.unreadable

    async def count(self, sources: Sequence[str]) -> int:
        """How many recordings there are."""
        return await Discovery(sources, self._output).count()

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[BatchOutcome, None]:
        """Transcribe everything and yield an outcome for each recording, as it ends."""
        self._discovery = Discovery(sources, self._output)
        taken_up: dict[int, Item] = {}

        async def each() -> AsyncIterator[Path | str]:
            position = 0
            async for item in self._discovery.items():
                if self._stopped:
                    return
                taken_up[position] = item
                position += 1
                yield item.source

        async for outcome in self._client.transcribe_many(each(), self._config):
            item = taken_up.pop(outcome.index)
            error, files = outcome.error, tuple[Path, ...]()
            if outcome.transcript is not None:
                error, files = await self._write(item, outcome.transcript)
            yield BatchOutcome(item, outcome.transcript, error, files, outcome.submissions, outcome.elapsed)

    async def _write(self, item: Item, transcript: Transcript) -> tuple[Exception | None, tuple[Path, ...]]:
        try:
            return None, tuple(await self._outputs.write(item.name, transcript))
        except (OSError, ValueError) as error:
            # The transcript is paid for: say where it can be had again.
            error.add_note(f"the transcript is at the service: asyncscribe knows it as {transcript.id}")
            return error, ()

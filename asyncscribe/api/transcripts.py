"""Requests about existing transcripts: lists, exports, searches, redacted audio, deletion."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import aiofiles
import aiofiles.os
import anyio

from asyncscribe.api import protocol
from asyncscribe.api.listing import pages
from asyncscribe.api.transport import Transport
from asyncscribe.errors import AsyncscribeError, NotFound, NotReady, WaitTimeout
from asyncscribe.models.pages import ListItem
from asyncscribe.models.results import Match, Passage, objects
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.policies.backoff import Backoff, Random

#: Transcripts that `history` fetches at once, and so holds in memory.
AHEAD = 8


class SubtitleFormat(StrEnum):
    """The formats of exported subtitles."""

    SRT = "srt"
    VTT = "vtt"


@dataclass(frozen=True, slots=True)
class RedactedAudio:
    """A recording without its personal data.

    Attributes:
        url: A presigned link that needs no key and works for a limited time.
        status: `redacted_audio_ready`.
    """

    url: str
    status: str


class Transcripts:
    """Fetches transcripts and views of them. Nothing here costs money.

    Args:
        transport: Sends.
        polling: Delays between the polls for redacted audio, seconds.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(self, transport: Transport, polling: Backoff, rng: Random = random.random) -> None:
        self._transport = transport
        self._polling = polling
        self._rng = rng

    async def list(
        self,
        *,
        status: str | None = None,
        created_on: date | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        throttled_only: bool = False,
        page_size: int = protocol.LONGEST_PAGE,
    ) -> AsyncGenerator[ListItem, None]:
        """The account's transcripts, newest first, a page at a time as they are read; see `AsyncClient.list`."""
        async with aclosing(
            pages(
                self._transport,
                page_size=page_size,
                status=status,
                created_on=created_on,
                before_id=None if before_id is None else TranscriptId(before_id),
                after_id=None if after_id is None else TranscriptId(after_id),
                throttled_only=throttled_only,
            )
        ) as listed:
            async for page in listed:
                for entry in page.items:
                    yield entry.item()

    async def history(
        self, *, status: str | None = None, created_on: date | None = None
    ) -> AsyncGenerator[Transcript, None]:
        """Whole transcripts, newest first; see `AsyncClient.iter_transcripts`."""
        some: list[TranscriptId] = []
        async for item in self.list(status=status, created_on=created_on):
            some.append(item.id)
            if len(some) == AHEAD:
                for transcript in await self._fetch(some):
                    yield transcript
                some.clear()
        for transcript in await self._fetch(some):
            yield transcript

    async def _fetch(self, ids: Sequence[TranscriptId]) -> tuple[Transcript, ...]:
        fetched: dict[TranscriptId, Transcript] = {}
        failures: list[AsyncscribeError] = []

        async def fetch(transcript_id: TranscriptId) -> None:
            try:
                fetched[transcript_id] = await self.get(transcript_id)
            except NotFound:
                # Retention has removed it since it was listed.
                return
            except AsyncscribeError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for transcript_id in ids:
                group.start_soon(fetch, transcript_id)
        if failures:
            raise failures[0]
        return tuple(fetched[transcript_id] for transcript_id in ids if transcript_id in fetched)

    async def get(self, transcript_id: TranscriptId) -> Transcript:
        """The transcript in its present state."""
        return await self._transport.send(protocol.get_transcript(transcript_id))

    async def delete(self, transcript_id: TranscriptId) -> Transcript:
        """Empty a transcript for good; see `AsyncClient.delete`."""
        return await self._transport.send(protocol.delete_transcript(transcript_id))

    async def passages(self, transcript_id: TranscriptId, kind: str) -> tuple[Passage, ...]:
        """The `sentences` or `paragraphs` of a completed transcript."""
        document = await self._transport.send(protocol.derived(transcript_id, kind))
        return tuple(map(Passage.model_validate, objects(document, kind)))

    async def subtitles(
        self, transcript_id: TranscriptId, form: SubtitleFormat, chars_per_caption: int | None = None
    ) -> str:
        """The service's own subtitles."""
        return await self._transport.send(protocol.subtitles(transcript_id, form.value, chars_per_caption))

    async def search(self, transcript_id: TranscriptId, words: Sequence[str]) -> tuple[Match, ...]:
        """Where words and phrases were said."""
        document = await self._transport.send(protocol.derived(transcript_id, "word-search", words=",".join(words)))
        return tuple(map(Match.model_validate, objects(document, "matches")))

    async def redacted_audio(self, transcript_id: TranscriptId, timeout: float | None = None) -> RedactedAudio:
        """Wait until the redacted recording is ready and return its link; see `AsyncClient.redacted_audio`."""
        request = protocol.derived(transcript_id, "redacted-audio")
        with anyio.move_on_after(timeout):
            for delay in self._polling.delays(self._rng):
                try:
                    document = await self._transport.send(request)
                except NotReady:
                    await anyio.sleep(delay)
                    continue
                return RedactedAudio(str(document.get("redacted_audio_url", "")), str(document.get("status", "")))
        raise WaitTimeout(f"the redacted audio was not ready within {timeout:g} s", transcript_id)

    async def download(self, audio: RedactedAudio, path: Path) -> Path:
        """Stream a redacted recording to a file, which appears whole or not at all."""
        temporary = path.with_name(f".asyncscribe-{secrets.token_hex(8)}")
        try:
            async with self._transport.download(audio.url) as chunks, aiofiles.open(temporary, "xb") as file:
                async for chunk in chunks:
                    await file.write(chunk)
            await aiofiles.os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return path

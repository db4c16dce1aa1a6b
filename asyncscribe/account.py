"""`AccountAccess`: what the account has, without any job of this client."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from datetime import date
from pathlib import Path

from asyncscribe.api.protocol import LONGEST_PAGE
from asyncscribe.api.transcripts import RedactedAudio, SubtitleFormat, Transcripts
from asyncscribe.models.pages import ListItem
from asyncscribe.models.results import Match, Passage
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus


class AccountAccess:
    """What the account has: transcripts by id, whoever made them. Nothing here costs money.

    Args:
        transcripts: Sends the requests.
    """

    def __init__(self, transcripts: Transcripts) -> None:
        self._transcripts = transcripts

    async def get(self, transcript_id: str) -> Transcript:
        """The transcript in its present state, whatever that is.

        Raises:
            NotFound: There is no such transcript in this project.
            ServiceError: It could not be asked for.
        """
        return await self._transcripts.get(TranscriptId(transcript_id))

    def list(
        self,
        *,
        status: str | None = None,
        created_on: date | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        throttled_only: bool = False,
        page_size: int = LONGEST_PAGE,
    ) -> AsyncGenerator[ListItem, None]:
        """The transcripts of the key's project, newest first; pages are asked for as they are read.

        Args:
            status: Only those in this state (`TranscriptStatus`).
            created_on: Only those of this day, UTC.
            before_id: Only those created before this one.
            after_id: Only those created after this one.
            throttled_only: Only those that the account's limit held back; overrides `status`. The service calls this
                filter deprecated.
            page_size: Items asked for at once, 1 to 200.

        Raises:
            ServiceError: A page is unavailable.
        """
        return self._transcripts.list(
            status=status,
            created_on=created_on,
            before_id=before_id,
            after_id=after_id,
            throttled_only=throttled_only,
            page_size=page_size,
        )

    def iter_transcripts(
        self, *, status: str | None = TranscriptStatus.COMPLETED, created_on: date | None = None
    ) -> AsyncGenerator[Transcript, None]:
        """Whole transcripts of the project's history, newest first, a few of them in memory at a time.

        Args:
            status: Only those in this state; None for all.
            created_on: Only those of this day, UTC.

        Raises:
            ServiceError: One is unavailable.
        """
        return self._transcripts.history(status=status, created_on=created_on)

    async def delete(self, transcript_id: str) -> Transcript:
        """Delete the content of a transcript, and its upload, for good; return what is left.

        Its status stays `completed`, and it stays in the list. A job that may still have to be submitted again needs
        its upload, so don't delete before the job has ended.

        Raises:
            NotFound: There is no such transcript in this project.
        """
        return await self._transcripts.delete(TranscriptId(transcript_id))

    async def sentences(self, transcript_id: str) -> tuple[Passage, ...]:
        """The sentences of a completed transcript, with words and times in milliseconds.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.passages(TranscriptId(transcript_id), "sentences")

    async def paragraphs(self, transcript_id: str) -> tuple[Passage, ...]:
        """The paragraphs of a completed transcript, with words and times in milliseconds.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.passages(TranscriptId(transcript_id), "paragraphs")

    async def subtitles(self, transcript_id: str, format: str = "srt", chars_per_caption: int | None = None) -> str:  # noqa: A002
        """Subtitles as the service cuts them (`Transcript.to_srt` makes them here, without a request).

        Args:
            transcript_id: A completed transcript.
            format: `"srt"` or `"vtt"`.
            chars_per_caption: Longest caption in characters.

        Raises:
            ValueError: There is no such format.
            BadRequest: It is not completed.
        """
        return await self._transcripts.subtitles(TranscriptId(transcript_id), SubtitleFormat(format), chars_per_caption)

    async def search(self, transcript_id: str, words: Sequence[str]) -> tuple[Match, ...]:
        """Where words, numbers or phrases of up to five words were said in a completed transcript.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.search(TranscriptId(transcript_id), words)

    async def redacted_audio(self, transcript_id: str, timeout: float | None = None) -> RedactedAudio:
        """A link to the redacted recording; it is made after the transcript, and waited for.

        Args:
            transcript_id: A transcript made with `redact_pii_audio`.
            timeout: Seconds; None waits for as long as it takes.

        Raises:
            WaitTimeout: The time has passed.
            BadRequest: It was never asked for, or is not available any more.
        """
        return await self._transcripts.redacted_audio(TranscriptId(transcript_id), timeout)

    async def download_redacted_audio(
        self, transcript_id: str, path: str | os.PathLike[str], timeout: float | None = None
    ) -> Path:
        """Wait for the redacted recording and stream it to a file, which is there whole or not at all.

        The key is not sent to the host that keeps the recording.

        Raises:
            WaitTimeout: It was not made within `timeout` seconds.
            ServiceError: It is unavailable.
            OSError: The file can't be written.
        """
        audio = await self._transcripts.redacted_audio(TranscriptId(transcript_id), timeout)
        return await self._transcripts.download(audio, Path(path))

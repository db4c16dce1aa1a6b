"""What a job keeps outside of its process, so that a later one can go on where it ended.

A request (`requests.TranscriptionRequest`) may bring a `Ledger`, which receives each step before anything that depends
on it is done, and a `ResumePoint`: what an earlier process wrote there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asyncscribe.lifecycle import JobState
from asyncscribe.models.transcript import TranscriptId


class Ledger(Protocol):
    """Keeps the steps of one job, in their order. An error that is raised here ends the job before the step."""

    async def uploaded(self, audio_url: str) -> None:
        """The audio is at the service; nothing depends on it but the work of sending it again."""
        ...

    async def submitting(self, audio_url: str, since: datetime) -> None:
        """A request that may make a paid job is about to be sent; if nothing follows, it is in doubt.

        What is kept here must survive a crash of the machine.

        Args:
            audio_url: What is submitted.
            since: The present time by the service's clock, not by this machine's: jobs that are older than this are
                not the one that was made.
        """
        ...

    def permit(self) -> None:
        """Called right before the first byte of a submission leaves. What it raises stops the submission.

        It is for whoever shares jobs with others: connections, TLS and waits lie before it, and nothing after it.
        """
        ...

    async def refused(self) -> None:
        """That request made no job, for certain."""
        ...

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """The service has the job."""
        ...

    def moved(self, state: JobState) -> None:
        """The job changed its state. For the record: at once, and no harm is done if it gets lost."""
        ...


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far an earlier process got with a job.

    Attributes:
        audio_url: Where the service can read the audio, if it still can.
        uploaded: When that was uploaded; None for a URL that needs no upload.
        ids: The service's ids of the submissions so far, oldest first; the last one is waited for.
        in_doubt_since: When a submission was begun of which no end is known, by the service's clock: it is looked for
            before another is sent.
        doubtful_url: The URL of that submission.
        idle: Seconds for which the process that began it can't have sent anything; None if that is not known beyond
            `in_doubt_since`.
    """

    audio_url: str | None = None
    uploaded: datetime | None = None
    ids: tuple[TranscriptId, ...] = ()
    in_doubt_since: datetime | None = None
    doubtful_url: str | None = None
    idle: float | None = None


class NullLedger:
    """The ledger of a job that nobody wants to pick up later."""

    async def uploaded(self, audio_url: str) -> None:
        """Nothing is kept."""

    async def submitting(self, audio_url: str, since: datetime) -> None:
        """Nothing is kept."""

    def permit(self) -> None:
        """Everything is permitted."""

    async def refused(self) -> None:
        """Nothing is kept."""

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """Nothing is kept."""

    def moved(self, state: JobState) -> None:
        """Nothing is kept."""

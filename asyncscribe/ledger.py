"""A job's state outside of its process, so that a later process can resume it.

A request (`requests.TranscriptionRequest`) may have a `Ledger`, which receives each step before anything that depends
on it is done, and a `ResumePoint`: what an earlier process recorded there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asyncscribe.lifecycle import JobState
from asyncscribe.models.transcript import TranscriptId


class Ledger(Protocol):
    """Records the steps of one job, in order. An exception raised here ends the job before the step."""

    async def uploaded(self, audio_url: str) -> None:
        """The audio is at the service. If this record is lost, it is only uploaded again."""
        ...

    async def submitting(self, audio_url: str, since: datetime) -> None:
        """A request that may make a paid job is about to be sent; if nothing follows, it is in doubt.

        This record must survive a crash of the machine.

        Args:
            audio_url: The URL that is submitted.
            since: The present time by the service's clock, not this machine's: an older job can't be the one that the
                request made.
        """
        ...

    def permit(self) -> None:
        """Called right before the first byte of a submission leaves. An exception stops the submission.

        It is for processes that share jobs: connecting, TLS and all waits come before it, and nothing after it.
        """
        ...

    async def refused(self) -> None:
        """The request certainly made no job."""
        ...

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """The service has the job."""
        ...

    def moved(self, state: JobState) -> None:
        """The job changed its state. Informational: must return at once, and may be lost without harm."""
        ...


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far an earlier process got with a job.

    Attributes:
        audio_url: Where the service can read the audio, if it still can.
        uploaded: When that was uploaded; None for a URL that needs no upload.
        ids: The service's ids of the submissions so far, oldest first; the last one is waited for.
        in_doubt_since: When a submission with unknown outcome began, by the service's clock: its job is looked for
            before another submission is sent.
        doubtful_url: The URL of that submission.
        idle: Seconds for which the process that began it can't have sent anything; None if nothing is known beyond
            `in_doubt_since`.
    """

    audio_url: str | None = None
    uploaded: datetime | None = None
    ids: tuple[TranscriptId, ...] = ()
    in_doubt_since: datetime | None = None
    doubtful_url: str | None = None
    idle: float | None = None


class NullLedger:
    """The ledger of a job that is never resumed."""

    async def uploaded(self, audio_url: str) -> None:
        """Records nothing."""

    async def submitting(self, audio_url: str, since: datetime) -> None:
        """Records nothing."""

    def permit(self) -> None:
        """Everything is permitted."""

    async def refused(self) -> None:
        """Records nothing."""

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """Records nothing."""

    def moved(self, state: JobState) -> None:
        """Records nothing."""

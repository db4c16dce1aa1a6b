"""What a job keeps outside of its process, so that a later one can go on where it ended.

A `Tracked` source brings a `Ledger`, which is told each step before anything that depends on it is done, and a `Past`:
what an earlier process wrote there. `transcribe`, `submit` and `transcribe_many` take it wherever they take a source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from asyncscribe.lifecycle import JobState
from asyncscribe.models.transcript import TranscriptId

S_co = TypeVar("S_co", covariant=True)


class Ledger(Protocol):
    """Keeps the steps of one job, in their order. An error that is raised here ends the job before the step."""

    async def uploaded(self, audio_url: str) -> None:
        """The audio is at the service; nothing depends on it but the work of sending it again."""
        ...

    async def submitting(self, audio_url: str) -> None:
        """A request that may make a paid job is about to be sent; if nothing follows, it is in doubt.

        What is kept here must survive a crash of the machine.
        """
        ...

    async def refused(self) -> None:
        """That request made no job, for certain."""
        ...

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """The service has the job."""
        ...

    def moved(self, state: JobState) -> None:
        """The job is in another state now. For the record: at once, and no harm is done if it gets lost."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """How far an earlier process got with a job.

    Attributes:
        audio_url: Where the service can read the audio, if it still can.
        uploaded: When that was uploaded; None for a URL that needs no upload.
        ids: The service's ids of the submissions so far, oldest first; the last one is waited for.
        in_doubt: When a submission was begun of which no end is known: it is looked for before another is sent.
        doubtful_url: The URL of that submission.
    """

    audio_url: str | None = None
    uploaded: datetime | None = None
    ids: tuple[TranscriptId, ...] = ()
    in_doubt: datetime | None = None
    doubtful_url: str | None = None


@dataclass(frozen=True, slots=True)
class Tracked(Generic[S_co]):
    """A source whose job keeps a ledger.

    Attributes:
        source: What is transcribed.
        ledger: Told of each step.
        past: What is known of the job already.
    """

    source: S_co
    ledger: Ledger
    past: Past = field(default_factory=Past)


class Unkept:
    """The ledger of a job that nobody wants to pick up later."""

    async def uploaded(self, audio_url: str) -> None:
        """Nothing is kept."""

    async def submitting(self, audio_url: str) -> None:
        """Nothing is kept."""

    async def refused(self) -> None:
        """Nothing is kept."""

    async def submitted(self, transcript_id: TranscriptId) -> None:
        """Nothing is kept."""

    def moved(self, state: JobState) -> None:
        """Nothing is kept."""

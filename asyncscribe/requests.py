"""What is asked of the client, and what comes of it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

from asyncscribe.ledger import Ledger, ResumePoint
from asyncscribe.masking import masked
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.sources import Source, name_of

S_co = TypeVar("S_co", bound=Source, covariant=True)


@dataclass(frozen=True, slots=True)
class TranscriptionRequest(Generic[S_co]):
    """One thing to transcribe, with what belongs to it alone. Taken wherever a source is taken.

    Attributes:
        source: A path, a URL, bytes, a binary file, or an async iterable of bytes.
        config: What to do with it; None leaves that to the call.
        priority: Higher ones get the next free slot first; None leaves that to the call.
        ledger: Told each step before anything that depends on it is done; None keeps nothing.
        resume: How far an earlier process got with it.
    """

    source: S_co
    config: TranscriptionConfig | None = None
    _: KW_ONLY
    priority: int | None = None
    ledger: Ledger | None = None
    resume: ResumePoint | None = None

    def __repr__(self) -> str:
        return f"<TranscriptionRequest {name_of(self.source)}>"


R = TypeVar("R", bound=Any)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How one source of many ended: with a transcript or with an error, never with both.

    Attributes:
        source: The very object that was passed.
        transcript: The completed transcript.
        error: What ended the job instead.
        submissions: How many times it was submitted to the service.
        elapsed: Seconds from when the source was taken up (not: submitted) to the end.
        index: Position among the sources, from 0.
        transcript_id: The service's id of the latest submission; None if there was none, or none is known.
    """

    source: R
    transcript: Transcript | None
    error: Exception | None
    submissions: int
    elapsed: float
    index: int
    transcript_id: TranscriptId | None = None

    def __repr__(self) -> str:
        # A source's own repr would show a signed URL.
        source = self.source.source if isinstance(self.source, TranscriptionRequest) else self.source
        end = repr(self.transcript) if self.transcript is not None else masked(repr(self.error))
        return f"<Outcome {self.index} {name_of(source)}: {end}>"

    @property
    def ok(self) -> bool:
        """Whether there is a transcript."""
        return self.transcript is not None

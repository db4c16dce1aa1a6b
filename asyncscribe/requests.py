"""What is asked of the client, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from asyncscribe.errors import ConfigurationError
from asyncscribe.ledger import Ledger, ResumePoint
from asyncscribe.masking import masked
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.sources import Source, name_of

#: What to do with a source: checked options, or fields of the API's request.
Config = TranscriptionConfig | Mapping[str, Any] | None

S_co = TypeVar("S_co", bound=Source, covariant=True)


@dataclass(frozen=True, slots=True)
class TranscriptionRequest(Generic[S_co]):
    """One thing to transcribe, with what belongs to it alone. Taken wherever a source is taken.

    Attributes:
        source: A path, a URL, bytes, a binary file, or an async iterable of bytes.
        config: What to do with it, a mapping is checked like `TranscriptionConfig`; None leaves that to the call.
        priority: Higher ones get the next free slot first; 0 leaves that to the call.
        timeout: Seconds for all of it, waiting for a slot included; None leaves that to the call. See
            `AsyncClient.transcribe`.
        metadata: Whatever belongs to it; the client only carries it, to outcomes and events.
        ledger: Told each step before anything that depends on it is done; None keeps nothing.
        resume: How far an earlier process got with it.
    """

    source: S_co
    config: Config = None
    _: KW_ONLY
    priority: int = 0
    timeout: float | None = None
    metadata: Any = None
    ledger: Ledger | None = None
    resume: ResumePoint | None = None

    def __post_init__(self) -> None:
        if self.config is not None:
            object.__setattr__(self, "config", checked(self.config))
        if self.timeout is not None and not self.timeout >= 0:
            raise ConfigurationError(f"timeout must be seconds, 0 or more, not {self.timeout!r}")

    @property
    def options(self) -> TranscriptionConfig | None:
        """What to do with it, checked; None leaves that to the call."""
        return None if self.config is None else checked(self.config)

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
    def request(self) -> TranscriptionRequest[Any]:
        """What was asked for: the request that was passed, or one of the source that was."""
        return self.source if isinstance(self.source, TranscriptionRequest) else TranscriptionRequest(self.source)

    @property
    def ok(self) -> bool:
        """Whether there is a transcript."""
        return self.transcript is not None


def checked(config: Config) -> TranscriptionConfig:
    """Options, checked.

    Raises:
        ConfigurationError: A field is unknown, or not allowed.
    """
    if isinstance(config, TranscriptionConfig):
        return config
    try:
        return TranscriptionConfig(**(config or {}))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConfigurationError(f"the configuration is not allowed: {problems}") from error

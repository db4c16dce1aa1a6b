"""Requests to the client, and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, Literal, TypeAlias

from pydantic import ValidationError
from typing_extensions import TypeVar

from asyncscribe.errors import ConfigurationError
from asyncscribe.ledger import Ledger, ResumePoint
from asyncscribe.masking import masked
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.fields import ConfigFields
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.sources import Source, name_of

Config: TypeAlias = TranscriptionConfig | ConfigFields | Mapping[str, Any] | None
"""What to do with a source: checked options, or fields of the API's request."""

S_co = TypeVar("S_co", bound=Source, covariant=True, default=Any)
M_co = TypeVar("M_co", covariant=True, default=Any)


@dataclass(frozen=True, slots=True)
class TranscriptionRequest(Generic[S_co, M_co]):
    """One source to transcribe, with its own settings. Accepted wherever a source is accepted.

    Attributes:
        source: A path, a URL, bytes, a binary file, or an async iterable of bytes.
        config: What to do with it, a mapping is checked like `TranscriptionConfig`; None leaves that to the call.
        priority: Higher ones get the next free slot first; 0 leaves that to the call.
        timeout: Seconds for all of it, waiting for a slot included; None leaves that to the call. See
            `AsyncClient.transcribe`.
        metadata: Any data; the client passes it on unchanged to outcomes and events.
        ledger: Receives each step before anything that depends on it is done; None records nothing.
        resume: How far an earlier process got with it.
    """

    source: S_co
    config: Config = None
    _: KW_ONLY
    priority: int = 0
    timeout: float | None = None
    metadata: M_co = None  # type: ignore[assignment]  # of a request without metadata, M is None
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


R = TypeVar("R", default=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End(Generic[R, M_co]):
    """How one source of many ended.

    Attributes:
        source: The same object that was passed.
        submissions: How many times it was submitted to the service.
        elapsed: Seconds from when its job was started (not submitted) to the end.
        index: Position among the sources, from 0.
        transcript_id: The service's id of the latest submission; None if there was none, or none is known.
    """

    source: R
    submissions: int
    elapsed: float
    index: int
    transcript_id: TranscriptId | None = None

    @property
    def request(self) -> TranscriptionRequest[Any, M_co]:
        """The request that was passed, or one made from the source that was passed."""
        return self.source if isinstance(self.source, TranscriptionRequest) else TranscriptionRequest(self.source)

    def _shown(self, end: str) -> str:
        # A source's own repr would show a signed URL.
        source = self.source.source if isinstance(self.source, TranscriptionRequest) else self.source
        return f"<{type(self).__name__} {self.index} {name_of(source)}: {end}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Success(_End[R, M_co]):
    """It ended with a transcript.

    Attributes:
        transcript: The completed transcript.
        error: None.
        ok: True.
    """

    transcript: Transcript
    error: None = None
    ok: Literal[True] = True

    def __repr__(self) -> str:
        return self._shown(repr(self.transcript))

    def __bool__(self) -> Literal[True]:
        return True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Failure(_End[R, M_co]):
    """It ended without a transcript.

    Attributes:
        error: The error that ended it.
        transcript: None.
        ok: False.
    """

    error: Exception
    transcript: None = None
    ok: Literal[False] = False

    def __repr__(self) -> str:
        return self._shown(masked(repr(self.error)))

    def __bool__(self) -> Literal[False]:
        return False


Outcome: TypeAlias = Success[R, M_co] | Failure[R, M_co]
"""How one source of many ended, true if it ended with a transcript.

Type checkers know which after `if outcome:`, `outcome.transcript is None`, or
`case Success(transcript=transcript):`; mypy also after `if outcome.ok:`.
"""


def checked(config: Config) -> TranscriptionConfig:
    """Options, checked.

    Raises:
        ConfigurationError: A field is unknown, or not allowed.
    """
    if isinstance(config, TranscriptionConfig):
        return config
    if config is not None and not isinstance(config, Mapping):
        raise ConfigurationError(f"config must be a TranscriptionConfig or a mapping, not {type(config).__name__}")
    try:
        return TranscriptionConfig(**(config or {}))
    except ValidationError as error:
        problems = "; ".join(_problem(item["loc"], item["msg"]) for item in error.errors())
        raise ConfigurationError(f"the configuration is not allowed: {problems}") from error


def _problem(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, place))}: {message}" if place else message

"""What the local server asks of a speech engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

#: The service's text for a job that its own fault ended.
SERVER_ERROR = (
    "Internal server error. Please retry your request. If the error persists, please contact "
    "support@assemblyai.com for more information."
)


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A recognised word: milliseconds from the start of the audio, confidence 0 to 1.

    Attributes:
        speaker: Who said it, where the engine knows.
        channel: "1", "2", ... with multichannel.
    """

    text: str
    start: int
    end: int
    confidence: float
    speaker: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Recognition:
    """What an engine heard. Told apart by identity: many jobs may have the same one, whose documents are then shared.

    Attributes:
        words: In the order they were spoken.
        duration: Length of the whole audio, seconds.
        model: Told to the client as `speech_model_used`.
        channels: Channels that were recognised, one by one, with multichannel.
    """

    words: tuple[SpokenWord, ...]
    duration: float
    model: str
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """What an engine gets.

    Attributes:
        url: The `audio_url` of the request.
        path: The file with its bytes; None for an engine that needs none.
        parameters: The request.
    """

    url: str
    path: Path | None
    parameters: Mapping[str, Any] = field(default_factory=dict)


class EngineError(Exception):
    """The job ends with status `error` and this text, worded as the service words it."""


class Engine(Protocol):
    """Turns recordings into words. An async context manager that owns what it needs."""

    @property
    def name(self) -> str:
        """Short name."""
        ...

    @property
    def is_simulated(self) -> bool:
        """Whether results beside the words may be made by rule; a real engine's are never invented."""
        ...

    @property
    def needs_audio(self) -> bool:
        """Whether foreign URLs have to be fetched for it."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def transcribe(self, recording: Recording) -> Recognition:
        """Recognise a recording.

        Raises:
            EngineError: It can't be recognised.
        """
        ...

"""The protocol of the local server's speech engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

#: The service's text for a job that failed through its own fault.
SERVER_ERROR = (
    "Internal server error. Please retry your request. If the error persists, please contact "
    "support@assemblyai.com for more information."
)


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A recognised word: milliseconds from the start of the audio, confidence 0 to 1.

    Attributes:
        speaker: Who said it, if the engine knows.
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
    """An engine's result. Compared by identity: many jobs may share one, and then share its documents too.

    Attributes:
        words: In the order they were spoken.
        duration: Length of the whole audio, seconds.
        model: Reported to the client as `speech_model_used`.
        channels: Channels that were recognised separately, with multichannel.
    """

    words: tuple[SpokenWord, ...]
    duration: float
    model: str
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """An engine's input.

    Attributes:
        url: The `audio_url` of the request.
        path: The file with its bytes; None if the engine needs none.
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
        """Whether results besides the words may be made by rule; a real engine's are never invented."""
        ...

    @property
    def needs_audio(self) -> bool:
        """Whether foreign URLs must be downloaded for it."""
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

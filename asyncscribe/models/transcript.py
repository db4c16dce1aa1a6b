"""What the service answers, read so tolerantly that a paid transcript can always be had.

Nothing here refuses a document for what one field holds: a value of an unexpected type reads as None, unknown values
of an enumeration stay plain strings, unknown fields are kept, and `Transcript.document` is the answer itself.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NewType, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler, model_validator

from asyncscribe import subtitles

#: The id of a transcript, as the service gave it.
TranscriptId = NewType("TranscriptId", str)
#: Where the service finds an uploaded file; no one else can read it.
UploadUrl = NewType("UploadUrl", str)


class TranscriptStatus(StrEnum):
    """Where a job is at the service. `COMPLETED` and `ERROR` are final."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"


#: The states in which nothing changes any more.
FINAL_STATUSES = frozenset({TranscriptStatus.COMPLETED, TranscriptStatus.ERROR})


def _none_if_unreadable(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


T = TypeVar("T")
#: A field whose unreadable value must not make the document unreadable.
Lenient = Annotated[T | None, WrapValidator(_none_if_unreadable)]


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was heard.

    Attributes:
        text: The word with its punctuation.
        start: Milliseconds from the start of the audio.
        end: Milliseconds from the start of the audio.
        confidence: 0 to 1.
        speaker: "A", "B", ... with speaker labels.
        channel: "1", "2", ... with multichannel.
    """

    text: str
    start: int
    end: int
    confidence: float
    speaker: str | None = None
    channel: str | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read one item of `words`; what is missing or of a wrong type reads as empty, 0 or None."""
        return cls(
            text=_text(raw.get("text")),
            start=int(_number(raw.get("start"))),
            end=int(_number(raw.get("end"))),
            confidence=_number(raw.get("confidence")),
            speaker=_optional_text(raw.get("speaker")),
            channel=_optional_text(raw.get("channel")),
        )


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker said without a break. Times in milliseconds, confidence 0 to 1."""

    text: str
    start: int
    end: int
    confidence: float
    speaker: str | None = None
    channel: str | None = None
    words: tuple[Word, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read one item of `utterances`."""
        return cls(
            text=_text(raw.get("text")),
            start=int(_number(raw.get("start"))),
            end=int(_number(raw.get("end"))),
            confidence=_number(raw.get("confidence")),
            speaker=_optional_text(raw.get("speaker")),
            channel=_optional_text(raw.get("channel")),
            words=tuple(map(Word.parse, _objects(raw.get("words")))),
        )


class Transcript(BaseModel):
    """A transcript in any state, as `GET /v2/transcript/{id}` answers it.

    `audio_duration` is in seconds; every other time is in milliseconds, as in the API. Fields that are not listed here
    are attributes too (`transcript.chapters`), as plain JSON values.

    Attributes:
        id: The service's id of the job.
        status: A `TranscriptStatus`, or a plain string should the service invent a new one.
        error: Why the job failed, in the service's words.
        audio_url: What was transcribed.
        text: The whole text; empty where nothing was said.
        confidence: Mean confidence of the words, 0 to 1.
        audio_duration: Length of the audio in seconds (the service rounds up).
        language_code: Language of the transcript.
        language_confidence: Confidence of the detected language, 0 to 1.
        speech_model_used: The model that made the transcript.
        summary: With `summarization`.
        throttled: The account's limit held the job back; None where the service does not say.
        webhook_status_code: What the webhook's receiver answered.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: TranscriptId
    status: Annotated[TranscriptStatus | str, Field(union_mode="left_to_right")]
    error: Lenient[str] = None
    audio_url: Lenient[str] = None
    text: Lenient[str] = None
    confidence: Lenient[float] = None
    audio_duration: Lenient[float] = None
    language_code: Lenient[str] = None
    language_confidence: Lenient[float] = None
    speech_model_used: Lenient[str] = None
    summary: Lenient[str] = None
    throttled: Lenient[bool] = None
    webhook_status_code: Lenient[int] = None

    _document: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_document(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, Mapping):
            return handler(value)
        # The words are most of a document: they stay in the raw one and become objects only when asked for.
        transcript = handler({name: content for name, content in value.items() if name not in _LAZY})
        transcript._document = value  # noqa: SLF001 - its own class
        return transcript

    def __repr__(self) -> str:
        text = self.error if self.status == TranscriptStatus.ERROR else self.text
        shown = "" if text is None else f" {textwrap.shorten(text, 60, placeholder=' ...')!r}"
        return f"<Transcript {self.id} {self.status}{shown}>"

    __str__ = __repr__

    @property
    def document(self) -> Mapping[str, Any]:
        """The answer of the service, unchanged. Not to be modified."""
        return self._document

    @property
    def is_final(self) -> bool:
        """Whether the service will change nothing more: the job completed or failed."""
        return self.status in FINAL_STATUSES

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words in the order they were spoken; empty until the transcript is completed."""
        return tuple(map(Word.parse, _objects(self._document.get("words"))))

    @cached_property
    def utterances(self) -> tuple[Utterance, ...]:
        """The utterances, with `speaker_labels` or `multichannel`; else empty."""
        return tuple(map(Utterance.parse, _objects(self._document.get("utterances"))))

    @property
    def duration(self) -> timedelta | None:
        """Length of the audio; None while it is unknown."""
        return None if self.audio_duration is None else timedelta(seconds=self.audio_duration)

    def to_srt(self, *, chars_per_caption: int = subtitles.DEFAULT_CHARS_PER_CAPTION) -> str:
        """The words as SRT captions of at most `chars_per_caption` characters."""
        return subtitles.to_srt(self.words, chars_per_caption=chars_per_caption)

    def to_vtt(self, *, chars_per_caption: int = subtitles.DEFAULT_CHARS_PER_CAPTION) -> str:
        """The words as WebVTT captions of at most `chars_per_caption` characters."""
        return subtitles.to_vtt(self.words, chars_per_caption=chars_per_caption)

    def to_text(self, *, speakers: bool = False) -> str:
        """The text; with `speakers` one line per utterance that names who spoke, where the transcript knows."""
        if speakers and self.utterances:
            return subtitles.to_speaker_text(self.utterances)
        return self.text or ""


_LAZY = frozenset({"words", "utterances"})


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and value == value and abs(value) != float("inf") else 0.0

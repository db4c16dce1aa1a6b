"""The service's answers, parsed so tolerantly that a paid transcript is always available.

No document is refused because of one field: a value of an unexpected type reads as None, unknown values of an
enumeration stay plain strings, unknown fields are kept, and `Transcript.document` is the answer itself.

Parsing is lazy: only the fields that everybody needs become Python objects at once; words, utterances and results do
so on first access.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, NewType, Self, TypeVar, cast

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import from_json

from asyncscribe import subtitles
from asyncscribe.models.results import (
    Chapter,
    ContentSafety,
    Entity,
    Highlights,
    LanguageDetection,
    SentimentResult,
    Topics,
    UnderstandingResult,
    objects,
)
from asyncscribe.models.tolerant import Lenient, Result
from asyncscribe.models.words import Utterance, Word, parse_utterances, parse_words, utterances_of, words_of

TranscriptId = NewType("TranscriptId", str)
"""The id of a transcript, given by the service."""
UploadUrl = NewType("UploadUrl", str)
"""The URL of an uploaded file; only the service can read it."""


R = TypeVar("R", bound=Result)


class TranscriptStatus(StrEnum):
    """A job's status at the service. `COMPLETED` and `ERROR` are final."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"


#: The final statuses: the job no longer changes.
FINAL_STATUSES = frozenset({TranscriptStatus.COMPLETED, TranscriptStatus.ERROR})


def _names(chosen: Any) -> set[Any] | None:
    """The names that are entirely included or excluded; None if nothing was chosen."""
    if isinstance(chosen, Mapping):
        return {name for name, how in chosen.items() if how is True or how is ...}
    return None if chosen is None else set(chosen)


class _Fields(msgspec.Struct):
    """The fields of `Transcript`, for answers in which each has its documented type."""

    id: str
    status: str
    error: str | None = None
    audio_url: str | None = None
    text: str | None = None
    confidence: float | None = None
    audio_duration: float | None = None
    language_code: str | None = None
    language_confidence: float | None = None
    speech_model_used: str | None = None
    summary: str | None = None
    throttled: bool | None = None
    webhook_status_code: int | None = None
    audio_channels: int | None = None
    unredacted_text: str | None = None
    translated_texts: dict[str, str] | None = None


_FIELDS = msgspec.json.Decoder(_Fields)
_STATUSES = {status.value: status for status in TranscriptStatus}


class Transcript(BaseModel):
    """A transcript in any state, as returned by `GET /v2/transcript/{id}`.

    `audio_duration` is in seconds; every other time is in milliseconds, as in the API. Fields that are not listed here
    are attributes too (`transcript.project_id`), as plain JSON values.

    Attributes:
        id: The service's id of the job.
        status: A `TranscriptStatus`, or a plain string if the service adds a new one.
        error: Why the job failed, in the service's words.
        audio_url: What was transcribed.
        text: The whole text; empty if nothing was said.
        confidence: Mean confidence of the words, 0 to 1.
        audio_duration: Length of the audio in seconds (the service rounds up).
        language_code: Language of the transcript.
        language_confidence: Confidence of the detected language, 0 to 1.
        speech_model_used: The model that made the transcript.
        summary: With `summarization`.
        throttled: Whether the account's limit held the job back; None if the service does not say.
        webhook_status_code: The status that the webhook's receiver answered with.
        audio_channels: Number of channels, with `multichannel`.
        unredacted_text: The original text, with `redact_pii_return_unredacted`.
        translated_texts: Translations by language.
    """

    # Ignored by pydantic alone: `document` keeps all of it, and unknown fields are read from there.
    model_config = ConfigDict(extra="ignore", frozen=True)

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
    audio_channels: Lenient[int] = None
    unredacted_text: Lenient[str] = None
    translated_texts: Lenient[dict[str, str]] = None

    _body: bytes | None = PrivateAttr(default=None)
    _document: Mapping[str, Any] | None = PrivateAttr(default=None)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Validate a parsed document, and keep it.

        Raises:
            pydantic.ValidationError: It has no id or no status.
        """
        transcript = super().model_validate(obj, **options)
        if isinstance(obj, Mapping):
            transcript._document = obj  # noqa: SLF001 - its own class
        return transcript

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Validate a raw document; most of it stays unparsed until it is accessed.

        Raises:
            pydantic.ValidationError: It is not a JSON object, or has no id or no status.
        """
        body = json_data.encode() if isinstance(json_data, str) else bytes(json_data)
        try:
            fields = {} if options else msgspec.structs.asdict(_FIELDS.decode(body))
        except (msgspec.DecodeError, RecursionError):
            fields = {}
        if fields.get("id"):
            # Nearly every answer has the documented types, so lenient parsing, which takes ten times as long, is not
            # needed.
            fields["status"] = _STATUSES.get(fields["status"], fields["status"])
            transcript = cast("Self", cls.model_construct(**fields))
        else:
            transcript = super().model_validate_json(json_data, **options)
        transcript._body = body  # noqa: SLF001 - its own class
        return transcript

    @model_serializer(mode="wrap")
    def _whole(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an annotation would be the schema
        """All fields of the answer, words included: validating the dump gives the same transcript."""
        dumped = dump(self)
        if self._body is None and self._document is None:
            return dumped
        only, never = _names(info.include), _names(info.exclude) or set()
        return dumped | {
            name: value
            for name, value in self.document.items()
            if name not in type(self).model_fields
            and (only is None or name in only)
            and name not in never
            and not (info.exclude_none and value is None)
        }

    if not TYPE_CHECKING:  # so that a misspelt attribute is still found by type checkers

        def __getattr__(self, name: str) -> Any:
            """Fields of the document that the class does not define."""
            # A property that raises AttributeError leads here too, so `document` must not look itself up.
            if not name.startswith("_") and name != "document" and name in self.document:
                return self.document[name]
            return super().__getattr__(name)

    def __repr__(self) -> str:
        text = self.error if self.status == TranscriptStatus.ERROR else self.text
        shown = "" if text is None else f" {textwrap.shorten(text, 60, placeholder=' ...')!r}"
        return f"<Transcript {self.id} {self.status}{shown}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """HTML for notebooks: who said what, or why it failed; in the notebook's own colours."""
        if self.status == TranscriptStatus.ERROR:
            said = f"<b>Failed:</b> {escape(self.error or 'the service gave no reason')}"
        elif self.utterances:
            said = "<br>".join(
                f"<b>Speaker {escape(line.speaker)}:</b> {escape(line.text)}" if line.speaker else escape(line.text)
                for line in self.utterances
            )
        else:
            said = escape(self.text or "")
        length = None if self.audio_duration is None else f"{self.audio_duration:,.0f} s"
        facts = " · ".join(escape(fact) for fact in (self.id, self.status, length) if fact)
        # The classes keep MathJax from rendering dollar signs as formulas.
        return (
            '<div class="tex2jax_ignore mathjax_ignore">'
            f'<div style="max-height: 30em; overflow: auto; white-space: pre-wrap">{said}</div>'
            f"<small>{facts}</small></div>"
        )

    @property
    def document(self) -> Mapping[str, Any]:
        """The service's answer, unchanged. Must not be modified."""
        if self._document is None:
            # The body is dropped when the document is parsed, so the content is never held twice.
            body, self._body = self._body, None
            self._document = from_json(body, cache_strings="keys") if body is not None else self.model_dump(mode="json")
        return self._document

    @property
    def is_final(self) -> bool:
        """Whether the job completed or failed, so that nothing changes any more."""
        return self.status in FINAL_STATUSES

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words in the order they were spoken; empty until the transcript is completed."""
        read = None if self._body is None else words_of(self._body)
        return parse_words(self.document.get("words")) if read is None else read

    @cached_property
    def utterances(self) -> tuple[Utterance, ...]:
        """The utterances, with `speaker_labels` or `multichannel`; else empty."""
        read = None if self._body is None else utterances_of(self._body)
        return parse_utterances(self.document.get("utterances")) if read is None else read

    @cached_property
    def unredacted_words(self) -> tuple[Word, ...]:
        """The original words, with `redact_pii_return_unredacted`; else empty."""
        return parse_words(self.document.get("unredacted_words"))

    @cached_property
    def unredacted_utterances(self) -> tuple[Utterance, ...]:
        """The original utterances, with `redact_pii_return_unredacted`; else empty."""
        return parse_utterances(self.document.get("unredacted_utterances"))

    @cached_property
    def chapters(self) -> tuple[Chapter, ...]:
        """The chapters, with `auto_chapters`; else empty."""
        return tuple(map(Chapter.model_validate, objects(self.document, "chapters")))

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """Names, places, dates and so on, with `entity_detection`; else empty. They are not redacted."""
        return tuple(map(Entity.model_validate, objects(self.document, "entities")))

    @cached_property
    def sentiment_analysis_results(self) -> tuple[SentimentResult, ...]:
        """A sentiment for each sentence, with `sentiment_analysis`; else empty."""
        return tuple(map(SentimentResult.model_validate, objects(self.document, "sentiment_analysis_results")))

    @cached_property
    def auto_highlights_result(self) -> Highlights | None:
        """Key phrases, with `auto_highlights`."""
        return self._result("auto_highlights_result", Highlights)

    @cached_property
    def content_safety_labels(self) -> ContentSafety | None:
        """Sensitive topics, with `content_safety`; may be present as `unavailable` without being requested."""
        return self._result("content_safety_labels", ContentSafety)

    @cached_property
    def iab_categories_result(self) -> Topics | None:
        """Topics, with `iab_categories`; may be present as `unavailable` without being requested."""
        return self._result("iab_categories_result", Topics)

    @cached_property
    def language_detection_results(self) -> LanguageDetection | None:
        """The languages that were mixed, with code switching."""
        return self._result("language_detection_results", LanguageDetection)

    @cached_property
    def speech_understanding(self) -> UnderstandingResult | None:
        """The results of `speech_understanding`."""
        return self._result("speech_understanding", UnderstandingResult)

    def _result(self, name: str, kind: type[R]) -> R | None:
        value = self.document.get(name)
        return kind.model_validate(value) if isinstance(value, Mapping) else None

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
        """The text; with `speakers` one line per utterance, naming the speaker if known."""
        if speakers and self.utterances:
            return subtitles.to_speaker_text(self.utterances)
        return self.text or ""

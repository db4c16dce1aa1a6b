"""A transcript's results besides the words. Times are milliseconds, shares are 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import Field

from asyncscribe.models.options import Open, PiiPolicy
from asyncscribe.models.tolerant import Items, Lenient, Result
from asyncscribe.models.words import Word, parse_words


class Sentiment(StrEnum):
    """The sentiment of a sentence."""

    POSITIVE = "POSITIVE"
    NEUTRAL = "NEUTRAL"
    NEGATIVE = "NEGATIVE"


class Span(Result):
    """A stretch of the audio, milliseconds."""

    start: Lenient[int] = None
    end: Lenient[int] = None


class Chapter(Span):
    """A chapter with a headline and a summary."""

    gist: Lenient[str] = None
    headline: Lenient[str] = None
    summary: Lenient[str] = None


class Entity(Span):
    """A name, a place, a date and so on."""

    entity_type: Lenient[Open[PiiPolicy]] = None
    text: Lenient[str] = None
    speaker: Lenient[str] = None


class SentimentResult(Span):
    """The sentiment of one sentence."""

    text: Lenient[str] = None
    sentiment: Lenient[Open[Sentiment]] = None
    confidence: Lenient[float] = None
    speaker: Lenient[str] = None
    channel: Lenient[str] = None


class Highlight(Result):
    """A key phrase: how often and where it was said, and its rank."""

    text: Lenient[str] = None
    count: Lenient[int] = None
    rank: Lenient[float] = None
    timestamps: Items[Span] = ()


class Highlights(Result):
    """Key phrases. `status` is `success` or `unavailable`, here and below."""

    status: Lenient[str] = None
    results: Items[Highlight] = ()


class SafetyLabel(Result):
    """A sensitive topic with its confidence and severity."""

    label: Lenient[str] = None
    confidence: Lenient[float] = None
    severity: Lenient[float] = None


class SafetyResult(Result):
    """A part of the text with sensitive topics; the indices count sentences."""

    text: Lenient[str] = None
    labels: Items[SafetyLabel] = ()
    sentences_idx_start: Lenient[int] = None
    sentences_idx_end: Lenient[int] = None
    timestamp: Lenient[Span] = None


class ContentSafety(Result):
    """Sensitive topics: each occurrence, the share of each label, and shares of low, medium and high severity."""

    status: Lenient[str] = None
    results: Items[SafetyResult] = ()
    summary: Lenient[dict[str, float]] = None
    severity_score_summary: Lenient[dict[str, dict[str, float]]] = None


class TopicLabel(Result):
    """An IAB topic, a path with `>`, and how relevant it is."""

    label: Lenient[str] = None
    relevance: Lenient[float] = None


class TopicResult(Result):
    """The topics of one part of the text."""

    text: Lenient[str] = None
    labels: Items[TopicLabel] = ()
    timestamp: Lenient[Span] = None


class Topics(Result):
    """IAB topics: each part, and the relevance of each topic to the whole."""

    status: Lenient[str] = None
    results: Items[TopicResult] = ()
    summary: Lenient[dict[str, float]] = None


class DetectedLanguage(Result):
    """A language that was heard. The documentation calls the code `language`, the vendor's SDK `language_code`."""

    language: Lenient[str] = None
    language_code: Lenient[str] = None
    confidence: Lenient[float] = None

    @property
    def code(self) -> str | None:
        """The language's code, by whichever name it came."""
        return self.language or self.language_code


class LanguageDetection(Result):
    """Languages that were mixed."""

    code_switching_languages: Items[DetectedLanguage] = ()


class TranslationResult(Result):
    """The status of the translation; the texts are in `Transcript.translated_texts`."""

    status: Lenient[str] = None


class SpeakerIdentificationResult(Result):
    """Names or roles by speaker label."""

    status: Lenient[str] = None
    mapping: Lenient[dict[str, str]] = None


class CustomFormattingResult(Result):
    """How each item was formatted, and the formatted text."""

    status: Lenient[str] = None
    mapping: Lenient[dict[str, str]] = None
    formatted_text: Lenient[str] = None
    formatted_utterances: Items[Result] = ()


class UnderstandingResponse(Result):
    """The results of the tasks of `speech_understanding`."""

    translation: Lenient[TranslationResult] = None
    speaker_identification: Lenient[SpeakerIdentificationResult] = None
    custom_formatting: Lenient[CustomFormattingResult] = None


class UnderstandingResult(Result):
    """The request for speech understanding, and its results."""

    request: Lenient[dict[str, Any]] = None
    response: Lenient[UnderstandingResponse] = None


class Passage(Span):
    """A sentence or a paragraph."""

    text: Lenient[str] = None
    confidence: Lenient[float] = None
    speaker: Lenient[str] = None
    channel: Lenient[str] = None
    raw_words: Any = Field(default=None, alias="words", repr=False)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Its words."""
        return parse_words(self.raw_words)


class Match(Result):
    """A phrase that was searched for.

    Attributes:
        text: The phrase.
        count: How often it was said.
        timestamps: Start and end of each occurrence, milliseconds.
        indexes: Positions in `Transcript.words`.
    """

    text: Lenient[str] = None
    count: Lenient[int] = None
    timestamps: Lenient[tuple[tuple[int, int], ...]] = None
    indexes: Lenient[tuple[int, ...]] = None


def objects(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in a list of a document."""
    value = document.get(name)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

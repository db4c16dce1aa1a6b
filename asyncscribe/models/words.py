"""Words and utterances: most of a document, so parsed lazily and cheaply.

A ten-hour transcript has 100,000 words, each of them twice with utterances. msgspec parses them from the bytes directly
into objects: in a sixth of the time that pydantic models or dictionaries take, and the garbage collector need not track
them. `benchmarks/parsing.py` measures it. Values without the expected types are parsed again, tolerantly and slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Word(msgspec.Struct, frozen=True, gc=False):
    """One recognised word.

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


class Utterance(msgspec.Struct, frozen=True):
    """What one speaker said without a break.

    Attributes:
        text: The words as one text.
        start: Milliseconds from the start of the audio.
        end: Milliseconds from the start of the audio.
        confidence: 0 to 1.
        speaker: "A", "B", ...; with multichannel and speaker labels "1A", "2A", ...
        channel: "1", "2", ... with multichannel.
        words: Its words.
        translated_texts: Translations by language, if requested.
    """

    text: str
    start: int
    end: int
    confidence: float
    speaker: str | None = None
    channel: str | None = None
    words: tuple[Word, ...] = ()
    translated_texts: dict[str, str] | None = None


class _Words(msgspec.Struct):
    words: tuple[Word, ...] | None = None


class _Utterances(msgspec.Struct):
    utterances: tuple[Utterance, ...] | None = None


_WORDS = msgspec.json.Decoder(_Words)
_UTTERANCES = msgspec.json.Decoder(_Utterances)


def words_of(body: bytes) -> tuple[Word, ...] | None:
    """The `words` of a raw document; None if they need tolerant parsing."""
    try:
        return _WORDS.decode(body).words or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def utterances_of(body: bytes) -> tuple[Utterance, ...] | None:
    """The `utterances` of a raw document; None if they need tolerant parsing."""
    try:
        return _UTTERANCES.decode(body).utterances or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def parse_words(raw: Any) -> tuple[Word, ...]:
    """Parse a list of words; missing or wrongly typed fields read as empty, 0 or None."""
    try:
        return msgspec.convert(raw, tuple[Word, ...])
    except msgspec.ValidationError:
        return tuple(map(_tolerant_word, _objects(raw)))


def parse_utterances(raw: Any) -> tuple[Utterance, ...]:
    """Parse a list of utterances, as tolerantly as words."""
    try:
        return msgspec.convert(raw, tuple[Utterance, ...])
    except msgspec.ValidationError:
        return tuple(map(_tolerant_utterance, _objects(raw)))


def _objects(raw: Any) -> list[Mapping[str, Any]]:
    return [item for item in raw if isinstance(item, Mapping)] if isinstance(raw, list) else []


def _tolerant_word(raw: Mapping[str, Any]) -> Word:
    return Word(**_spoken(raw))


def _tolerant_utterance(raw: Mapping[str, Any]) -> Utterance:
    translated = raw.get("translated_texts")
    texts = {str(k): str(v) for k, v in translated.items()} if isinstance(translated, Mapping) else None
    return Utterance(**_spoken(raw), words=parse_words(raw.get("words")), translated_texts=texts)


def _spoken(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": raw["text"] if isinstance(raw.get("text"), str) else "",
        "start": int(_number(raw.get("start"))),
        "end": int(_number(raw.get("end"))),
        "confidence": float(_number(raw.get("confidence"))),
        "speaker": _optional_text(raw.get("speaker")),
        "channel": _optional_text(raw.get("channel")),
    }


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and value == value and abs(value) != float("inf") else 0.0

"""Words and utterances: most of a document, so read late and cheaply.

A ten-hour transcript has 100,000 words, and with utterances each of them twice. Named tuples that are filled from
columns cost a fifth of what pydantic models or dataclasses do; `benchmarks/parsing.py` measures it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple


class Word(NamedTuple):
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


def parse_words(raw: Any) -> tuple[Word, ...]:
    """Read a list of words; what is missing or of a wrong type in one reads as empty, 0 or None."""
    if not isinstance(raw, list):
        return ()
    try:
        return _columns(raw)
    except (KeyError, TypeError):
        return tuple(map(_tolerant, (item for item in raw if isinstance(item, Mapping))))


def _columns(raw: list[dict[str, Any]]) -> tuple[Word, ...]:
    columns = [[*map(itemgetter(name), raw)] for name in ("text", "start", "end", "confidence")]
    columns += [[*map(dict.get, raw, repeat(name))] for name in ("speaker", "channel")]
    for column, types in zip(columns, _TYPES, strict=True):
        if not types.issuperset(map(type, column)):
            raise TypeError
    return tuple(map(tuple.__new__, repeat(Word), zip(*columns, strict=True)))


_TYPES: tuple[set[type], ...] = ({str}, {int}, {int}, {float, int}, {str, NoneType}, {str, NoneType})


def _tolerant(raw: Mapping[str, Any]) -> Word:
    return Word(
        text=text(raw.get("text")),
        start=int(number(raw.get("start"))),
        end=int(number(raw.get("end"))),
        confidence=number(raw.get("confidence")),
        speaker=optional_text(raw.get("speaker")),
        channel=optional_text(raw.get("channel")),
    )


class Utterance:
    """What one speaker said without a break.

    Attributes:
        text: The words as one text.
        start: Milliseconds from the start of the audio.
        end: Milliseconds from the start of the audio.
        confidence: 0 to 1.
        speaker: "A", "B", ...; with multichannel and speaker labels "1A", "2A", ...
        channel: "1", "2", ... with multichannel.
        translated_texts: Translations by language, where they were asked for.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.text = text(raw.get("text"))
        self.start = int(number(raw.get("start")))
        self.end = int(number(raw.get("end")))
        self.confidence = number(raw.get("confidence"))
        self.speaker = optional_text(raw.get("speaker"))
        self.channel = optional_text(raw.get("channel"))
        translated = raw.get("translated_texts")
        self.translated_texts: Mapping[str, str] = translated if isinstance(translated, Mapping) else {}

    def __repr__(self) -> str:
        return f"<Utterance {self.start}-{self.end} ms {self.speaker or '-'}: {self.text!r}>"

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, Utterance) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds what JSON held

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words of the utterance."""
        return parse_words(self._raw.get("words"))


def parse_utterances(raw: Any) -> tuple[Utterance, ...]:
    """Read a list of utterances."""
    return tuple(Utterance(item) for item in raw if isinstance(item, Mapping)) if isinstance(raw, list) else ()


def text(value: Any) -> str:
    """A string, or else an empty one."""
    return value if isinstance(value, str) else ""


def optional_text(value: Any) -> str | None:
    """A string; numbers, as some channels come, as their digits."""
    return None if value is None else str(value)


def number(value: Any) -> float:
    """A finite number, or else 0."""
    return value if isinstance(value, int | float) and value == value and abs(value) != float("inf") else 0.0

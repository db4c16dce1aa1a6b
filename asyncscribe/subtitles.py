"""Formats timed words as SRT, WebVTT and speaker text. Pure: no I/O.

Captions follow the usual rules of subtitling: a caption holds at most two lines' worth of text, lasts at most
seven seconds, ends at a long pause, and never overlaps the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

#: Longest text of one caption in characters: two lines of 42, the limit in most broadcasters' guides.
DEFAULT_CHARS_PER_CAPTION = 84
#: Longest time one caption is shown, in milliseconds (the usual upper bound of subtitling guides).
LONGEST_CAPTION_MS = 7_000
#: A silence of this many milliseconds ends a caption.
PAUSE_MS = 1_000


class TimedWord(Protocol):
    """A word with its times in milliseconds."""

    @property
    def text(self) -> str:
        """What was said."""
        ...

    @property
    def start(self) -> int:
        """Milliseconds."""
        ...

    @property
    def end(self) -> int:
        """Milliseconds."""
        ...


class SpokenBy(Protocol):
    """A stretch of speech with its speaker."""

    @property
    def text(self) -> str:
        """What was said."""
        ...

    @property
    def speaker(self) -> str | None:
        """Who said it, if known."""
        ...


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption.

    Attributes:
        text: One line of text, never empty, without line breaks.
        start: Milliseconds from the start of the audio.
        end: Milliseconds from the start of the audio, greater than `start`.
    """

    text: str
    start: int
    end: int


def captions(words: Iterable[TimedWord], *, chars_per_caption: int = DEFAULT_CHARS_PER_CAPTION) -> Iterator[Caption]:
    """Group words into captions that are in order and never overlap, whatever the words' times.

    Args:
        words: Words in the order they were spoken.
        chars_per_caption: Longest text of one caption in characters; a single longer word stands alone.

    Raises:
        ValueError: `chars_per_caption` is less than 1.
    """
    if chars_per_caption < 1:
        raise ValueError(f"chars_per_caption must be at least 1, not {chars_per_caption}")
    earliest = 0
    for group in _groups(words, chars_per_caption):
        start = max(group[0].start, earliest)
        end = max(group[-1].end, start + 1)
        earliest = end
        yield Caption(" ".join(_one_line(word.text) for word in group), start, end)


def _groups(words: Iterable[TimedWord], chars_per_caption: int) -> Iterator[list[TimedWord]]:
    group: list[TimedWord] = []
    length = 0
    for word in words:
        text = _one_line(word.text)
        if not text:
            continue
        if group and (
            length + 1 + len(text) > chars_per_caption
            or word.start - group[-1].end >= PAUSE_MS
            or word.end - group[0].start > LONGEST_CAPTION_MS
        ):
            yield group
            group, length = [], 0
        length += len(text) + bool(group)
        group.append(word)
    if group:
        yield group


def _one_line(text: str) -> str:
    return " ".join(text.split())


def to_srt(words: Iterable[TimedWord], *, chars_per_caption: int = DEFAULT_CHARS_PER_CAPTION) -> str:
    """SubRip: numbered captions, times with a comma, blocks separated by an empty line."""
    blocks = (
        f"{number}\n{_clock(caption.start, ',')} --> {_clock(caption.end, ',')}\n{caption.text}\n"
        for number, caption in enumerate(captions(words, chars_per_caption=chars_per_caption), 1)
    )
    return "\n".join(blocks)


def to_vtt(words: Iterable[TimedWord], *, chars_per_caption: int = DEFAULT_CHARS_PER_CAPTION) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): `&`, `<` and `>` are escaped, as its cue text requires."""
    blocks = (
        f"{_clock(caption.start, '.')} --> {_clock(caption.end, '.')}\n{_escape(caption.text)}\n"
        for caption in captions(words, chars_per_caption=chars_per_caption)
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_speaker_text(utterances: Iterable[SpokenBy]) -> str:
    """One line per utterance, `Speaker A: ...`; utterances without a speaker stand alone."""
    return "\n".join(
        f"Speaker {utterance.speaker}: {utterance.text}" if utterance.speaker else utterance.text
        for utterance in utterances
    )


def _clock(milliseconds: int, separator: str) -> str:
    seconds, millis = divmod(milliseconds, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{millis:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

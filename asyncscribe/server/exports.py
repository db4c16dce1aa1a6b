"""Views of a completed transcript: subtitles, sentences, paragraphs, word search. Pure, on the documents' own words.

Deliberately independent of the client's subtitles: tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Words = Sequence[Mapping[str, Any]]
#: The service's default width of a caption is not documented; this is what its examples show.
CHARS_PER_CAPTION = 128
#: Silence that ends a sentence or a paragraph without punctuation, milliseconds.
SENTENCE_PAUSE = 700
PARAGRAPH_PAUSE = 2_000
#: Sentences in a paragraph at most.
PARAGRAPH_SENTENCES = 4


def subtitles(words: Words, form: str, width: int | None) -> str:
    """SRT or VTT, with captions of at most `width` characters."""
    captions = []
    for number, group in enumerate(_captions(words, width or CHARS_PER_CAPTION), 1):
        times = f"{_time(group[0]['start'], form)} --> {_time(group[-1]['end'], form)}"
        head = f"{number}\n{times}" if form == "srt" else times
        captions.append(f"{head}\n{_text(group)}\n")
    return "\n".join(captions if form == "srt" else ["WEBVTT\n", *captions])


def _captions(words: Words, width: int) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    for word in words:
        if group and len(_text([*group, word])) > width:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def sentences(words: Words) -> list[dict[str, Any]]:
    """Words up to a full stop, a change of speaker, or a pause."""
    return [_passage(group) | _who(group[0]) for group in _sentences(words)]


def paragraphs(words: Words) -> list[dict[str, Any]]:
    """A few sentences each, up to a long pause."""
    found: list[list[Mapping[str, Any]]] = []
    count = 0
    for group in _sentences(words):
        if found and count < PARAGRAPH_SENTENCES and group[0]["start"] - found[-1][-1]["end"] < PARAGRAPH_PAUSE:
            found[-1].extend(group)
            count += 1
        else:
            found.append(group)
            count = 1
    return [_passage(group) for group in found]


def _sentences(words: Words) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    for word in words:
        if group and (
            group[-1]["text"].endswith((".", "?", "!"))
            or word["start"] - group[-1]["end"] >= SENTENCE_PAUSE
            or _who(word) != _who(group[-1])
        ):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def search(words: Words, phrases: Sequence[str]) -> list[dict[str, Any]]:
    """Where each phrase is said; case and punctuation do not matter."""
    bare = [_bare(word["text"]) for word in words]
    matches = []
    for phrase in phrases:
        wanted = [_bare(part) for part in phrase.split()]
        last = len(bare) - len(wanted) + 1
        found = [n for n in range(last) if wanted and bare[n : n + len(wanted)] == wanted]
        if found:
            ends = [n + len(wanted) - 1 for n in found]
            matches.append(
                {
                    "text": " ".join(wanted),
                    "count": len(found),
                    "timestamps": [[words[n]["start"], words[end]["end"]] for n, end in zip(found, ends, strict=True)],
                    "indexes": found,
                }
            )
    return matches


def utterances(words: Words) -> list[dict[str, Any]]:
    """Words of one speaker and channel without a break."""
    groups: list[list[Mapping[str, Any]]] = []
    for word in words:
        if groups and _who(groups[-1][-1]) == _who(word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_passage(group) | _who(group[0]) for group in groups]


def _passage(group: Words) -> dict[str, Any]:
    return {
        "text": _text(group),
        "start": group[0]["start"],
        "end": group[-1]["end"],
        "confidence": sum(word["confidence"] for word in group) / len(group),
        "words": [dict(word) for word in group],
    }


def _who(word: Mapping[str, Any]) -> dict[str, Any]:
    return {"speaker": word.get("speaker"), "channel": word.get("channel")}


def _text(words: Words) -> str:
    return " ".join(word["text"] for word in words)


def _bare(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum() or character == "'")


def _time(milliseconds: int, form: str) -> str:
    seconds, millis = divmod(milliseconds, 1000)
    comma = "," if form == "srt" else "."
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{comma}{millis:03}"

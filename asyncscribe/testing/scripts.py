"""Scripts: how jobs go, and for which recordings."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from urllib.parse import unquote, urlsplit

from asyncscribe.server.engines.base import SERVER_ERROR, Recording

Source = str | os.PathLike[str] | bytes
"""What a script is for: a path, a URL, a pattern or a content."""
Text = str | Sequence[tuple[str, str]]
"""What was said: a text, or pairs of a speaker and a text."""
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """How a job goes.

    Attributes:
        text: What was said, with its punctuation: a string, or pairs of a speaker and a text. None leaves the words to
            the simulated engine.
        error: The service's text for a failed job.
        seconds: How long the job takes.
        duration: Length of the audio, seconds; default: 0.4 for each word. The words are spread evenly over it.
        server_errors: So many submissions fail by the service's own fault before.

    Raises:
        ValueError: The values contradict each other or are out of their range.
    """

    text: Text | None = None
    error: str | None = None
    seconds: float = 0.0
    duration: float | None = None
    server_errors: int = 0

    def __post_init__(self) -> None:
        if self.error is not None and (self.text is not None or self.duration is not None):
            raise ValueError("a job that fails (error=) has neither text= nor duration=")
        if self.error == "":
            raise ValueError("error= is the service's text, and says something")
        if not _is_text(self.text):
            raise ValueError(f"text= is a string or pairs of a speaker and a text, not {self.text!r}")
        if not 0 <= self.seconds < inf or not 0 <= (self.duration or 0) < inf:
            raise ValueError("seconds= and duration= are numbers of seconds, not below 0")
        if self.server_errors < 0:
            raise ValueError(f"server_errors= is a number of submissions, not {self.server_errors}")


def _is_text(text: object) -> bool:
    if text is None or isinstance(text, str):
        return True
    return isinstance(text, Sequence) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair) and pair[0]
        for pair in text
    )


def _is_source(source: object) -> bool:
    return isinstance(source, str | bytes | os.PathLike) and bool(source)


@dataclass(slots=True)
class Rule:
    """A reply, what it is for (None: the next job, whatever it is) and how often."""

    source: Source | None
    reply: Reply
    times: int | None
    failed: int = 0
    used: int = 0

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"times= is at least 1, or None for ever, not {self.times}")

    def __str__(self) -> str:
        match self.source:
            case None:
                shown = "then()"
            case bytes() as content:
                shown = f"an upload of {len(content):,} bytes"
            case source:
                shown = os.fspath(source)
        return f"{shown} (used up)" if self.is_used_up else shown

    @property
    def is_used_up(self) -> bool:
        """Whether it has been taken as often as it may be."""
        return self.times is not None and self.used >= self.times

    def fits(self, recording: Recording) -> bool:
        """Whether a job goes by it."""
        return not self.is_used_up and (self.source is None or _fits(self.source, recording))

    def take(self) -> Reply:
        """How the next submission goes."""
        if self.failed < self.reply.server_errors:
            self.failed += 1
            return Reply(error=SERVER_ERROR, seconds=self.reply.seconds)
        self.used += 1
        return self.reply


class Scripted(ABC):
    """What outcomes are scripted with."""

    def on(
        self,
        source: Source,
        *,
        text: Text | None = None,
        error: str | None = None,
        seconds: float = 0.0,
        duration: float | None = None,
        server_errors: int = 0,
        times: int | None = None,
    ) -> None:
        """Script how jobs of a source go.

        Names of files do not travel to the service, so an upload is known by its content alone: a pattern fits
        addresses, and a path the uploads with the same bytes. Of several scripts that fit, the first that is not used
        up counts. One without `times` gives way to a later one for the same source.

        Args:
            source: A path: uploads with the content that the file has when the job starts. A URL or a pattern such as
                `*/call-*.mp3` or `call-*.mp3`: an `audio_url`, whole, without its query, or the last part of its path.
                Bytes: uploads with this content. A string may be a path and a pattern.
            text: What was said, with its punctuation: a string, or pairs of a speaker and a text, which make
                utterances where `speaker_labels` (or, a channel for each, `multichannel`) is asked for. Without text
                and error, the words are those of the simulated engine.
            error: The service's text for a failed job.
            seconds: How long each submission takes.
            duration: Length of the audio, seconds; default: 0.4 for each word. The words are spread evenly over it.
            server_errors: So many submissions fail by the service's own fault at first; they do not count as `times`.
            times: For so many jobs; None for ever.

        Raises:
            ValueError: The values contradict each other or are out of their range.
        """
        if not _is_source(source):
            raise ValueError(f"a job is known by a path, a URL, a pattern or bytes, not by {source!r}")
        self._script(Rule(source, Reply(text, error, seconds, duration, server_errors), times))

    def then(
        self,
        *,
        text: Text | None = None,
        error: str | None = None,
        seconds: float = 0.0,
        duration: float | None = None,
        server_errors: int = 0,
        times: int | None = 1,
    ) -> None:
        """Script how the next jobs go that `on` has nothing for, in the order in which they start.

        A job that is submitted again is the next one, also where the client does so by itself, as it does once after a
        failure whose text it does not know.

        Args:
            text: As for `on`, like all of these.
            error: The service's text for a failed job.
            seconds: How long each submission takes.
            duration: Length of the audio, seconds.
            server_errors: So many submissions fail by the service's own fault at first.
            times: For so many jobs; None for all that follow.

        Raises:
            ValueError: The values contradict each other or are out of their range.
        """
        self._script(Rule(None, Reply(text, error, seconds, duration, server_errors), times))

    @abstractmethod
    def _script(self, rule: Rule) -> None: ...


def _fits(source: Source, recording: Recording) -> bool:
    if recording.path is None:
        return isinstance(source, str) and _is_like(recording.url, source)
    if isinstance(source, bytes):
        return recording.path.stat().st_size == len(source) and recording.path.read_bytes() == source
    return "://" not in os.fspath(source) and _are_same(recording.path, Path(source))


def _is_like(url: str, pattern: str) -> bool:
    plain = url.partition("#")[0].partition("?")[0]
    last = unquote(urlsplit(plain).path.rpartition("/")[2])
    return any(text == pattern or fnmatchcase(text, pattern) for text in (url, plain, last))


def _are_same(upload: Path, path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != upload.stat().st_size:
            return False
        with path.open("rb") as one, upload.open("rb") as other:
            while (read := one.read(_READ_BYTES)) == other.read(_READ_BYTES):
                if not read:
                    return True
    except (OSError, ValueError):
        # A pattern need not be a name that a file can have.
        return False
    return False

"""Scripts: the results of jobs, and for which recordings."""

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
"""The source that a script is for: a path, a URL, a pattern or the content."""
Text = str | Sequence[tuple[str, str]]
"""What was said: a text, or pairs of a speaker and a text."""
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a job.

    Attributes:
        text: What was said, with its punctuation: a string, or pairs of a speaker and a text. None leaves the words to
            the simulated engine.
        error: The service's text for a failed job.
        seconds: How long the job takes.
        duration: Length of the audio, seconds; default: 0.4 for each word. The words are spread evenly over it.
        server_errors: How many submissions fail first, through the service's own fault.

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
            raise ValueError("error= must not be empty: it is the service's text")
        if not _is_text(self.text):
            raise ValueError(f"text= must be a string or pairs of a speaker and a text, not {self.text!r}")
        if not 0 <= self.seconds < inf or not 0 <= (self.duration or 0) < inf:
            raise ValueError("seconds= and duration= must be numbers of seconds, at least 0")
        if self.server_errors < 0:
            raise ValueError(f"server_errors= must be a number of submissions, not {self.server_errors}")


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
    """A reply, its source (None: the next job, whatever it is) and how often it is used."""

    source: Source | None
    reply: Reply
    times: int | None
    failed: int = 0
    used: int = 0

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"times= must be at least 1, or None for no limit, not {self.times}")

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
        """Whether it has been used as often as allowed."""
        return self.times is not None and self.used >= self.times

    def fits(self, recording: Recording) -> bool:
        """Whether it applies to a job."""
        return not self.is_used_up and (self.source is None or _fits(self.source, recording))

    def take(self) -> Reply:
        """The result of the next submission."""
        if self.failed < self.reply.server_errors:
            self.failed += 1
            return Reply(error=SERVER_ERROR, seconds=self.reply.seconds)
        self.used += 1
        return self.reply


class Scripted(ABC):
    """The methods that script outcomes."""

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
        """Script the results of a source's jobs.

        File names are not sent to the service, so an upload is identified by its content alone: a pattern matches
        addresses, and a path matches uploads with the same bytes. Of several matching scripts, the first that is not
        used up counts. A script without `times` is replaced by a later one for the same source.

        Args:
            source: A path: uploads with the content that the file has when the job starts. A URL or a pattern such as
                `*/call-*.mp3` or `call-*.mp3`: an `audio_url`, whole, without its query, or the last part of its path.
                Bytes: uploads with this content. A string may be a path and a pattern.
            text: What was said, with its punctuation: a string, or pairs of a speaker and a text, which make
                utterances if `speaker_labels` (or `multichannel`, with a channel for each) is requested. Without text
                and error, the words are the simulated engine's.
            error: The service's text for a failed job.
            seconds: How long each submission takes.
            duration: Length of the audio, seconds; default: 0.4 for each word. The words are spread evenly over it.
            server_errors: How many submissions fail first, through the service's own fault; they don't count as
                `times`.
            times: How many jobs it is for; None for no limit.

        Raises:
            ValueError: The values contradict each other or are out of their range.
        """
        if not _is_source(source):
            raise ValueError(f"a job is known by a path, a URL, a pattern or bytes, not {source!r}")
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
        """Script the results of the next jobs that no `on` script matches, in the order in which they start.

        A job that is submitted again counts as the next one, even if the client does so by itself, as it does once
        after a failure whose text it does not know.

        Args:
            text: As for `on`, like all of these.
            error: The service's text for a failed job.
            seconds: How long each submission takes.
            duration: Length of the audio, seconds.
            server_errors: How many submissions fail first, through the service's own fault.
            times: How many jobs it is for; None for all that follow.

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
        # A pattern need not be a valid file name.
        return False
    return False

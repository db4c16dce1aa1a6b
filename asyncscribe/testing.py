"""The local server with scripted outcomes, for tests of programs that use asyncscribe.

    async with Server() as server, server.client() as client:
        server.on("interview.mp3", text="Good morning.")
        assert (await client.transcribe("interview.mp3")).text == "Good morning."

`SyncServer` is the same for tests without an event loop. Fixtures for pytest come with the package:
`asyncscribe_server`, `asyncscribe_client`, `asyncscribe_sync_server` and `asyncscribe_environment`.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from math import inf
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncscribe.client import AsyncClient
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.server.engines.base import SERVER_ERROR, EngineError, Recognition, Recording, SpokenWord
from asyncscribe.server.engines.simulated import MARK, SimulatedEngine
from asyncscribe.server.faults import Fault, FaultPlan, Faults
from asyncscribe.server.local import LocalServer
from asyncscribe.server.service import Record
from asyncscribe.sync import Client

__all__ = ["QUICK", "Reply", "ScriptedEngine", "Server", "Source", "SyncFaults", "SyncServer", "Text"]

Source = str | os.PathLike[str] | bytes
"""What a script is for: a path, a URL, a pattern or a content."""
Text = str | Sequence[tuple[str, str]]
"""What was said: a text, or pairs of a speaker and a text."""
#: Seconds of audio for each word of a text without a duration.
WORD_SECONDS = 0.4
QUICK: Mapping[str, Any] = MappingProxyType(
    {
        "polling": Backoff(initial=0.01, factor=1.2, maximum=10, jitter=0),
        "retry": RetryPolicy(backoff=Backoff(initial=0.01, factor=2, maximum=8, jitter=0)),
        "resubmission": ResubmissionPolicy(backoff=Backoff(initial=0.01, factor=2, maximum=30, jitter=0)),
        "submission": SubmissionPolicy(lookups=(0.01, 0.1, 1, 3, 10, 30)),
    }
)
"""Arguments of clients that are quick in tests.

The end of a job is noticed a fifth too late at most, and ten minutes of virtual time cost 90 polls. Lost answers are
looked for at once, but the quiet time stays: a submission that is late must not be made twice.
"""
_READ_BYTES = 1024 * 1024

P = ParamSpec("P")
T = TypeVar("T")


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
class _Rule:
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
        return self.times is not None and self.used >= self.times

    def fits(self, recording: Recording) -> bool:
        return not self.is_used_up and (self.source is None or _fits(self.source, recording))

    def take(self) -> Reply:
        """How the next submission goes."""
        if self.failed < self.reply.server_errors:
            self.failed += 1
            return Reply(error=SERVER_ERROR, seconds=self.reply.seconds)
        self.used += 1
        return self.reply


class _Scripted(ABC):
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
        self._script(_Rule(source, Reply(text, error, seconds, duration, server_errors), times))

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
        self._script(_Rule(None, Reply(text, error, seconds, duration, server_errors), times))

    @abstractmethod
    def _script(self, rule: _Rule) -> None: ...


class ScriptedEngine(_Scripted):
    """An engine of the local server that listens to nothing: each job goes as it was scripted.

    Args:
        default: How jobs go that nothing is scripted for: a reply, a text, or None for the simulated engine, whose
            jobs end at once unless their URL says otherwise.
        strict: Such jobs fail instead, with a text that names what is scripted.
        real_time: Whether jobs take their seconds; otherwise all end at once.

    Raises:
        ValueError: Both `default` and `strict` are given.
    """

    name = "scripted"
    is_simulated = True
    needs_audio = False

    def __init__(self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = True) -> None:
        if strict and default is not None:
            raise ValueError("a strict server has no default: what is not scripted fails")
        reply = Reply(default) if isinstance(default, str) else default
        self._default = None if reply is None else _Rule(None, reply, None)
        self._strict = strict
        self._real_time = real_time
        self._simulated = SimulatedEngine(speed=0)
        self._rules: list[_Rule] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def _script(self, rule: _Rule) -> None:
        # What is for ever would never let the later one come.
        kept = [old for old in self._rules if old.times is not None or old.source != rule.source]
        self._rules = [*kept, rule]

    async def transcribe(self, recording: Recording) -> Recognition:
        """Wait as long as the job takes and say what was scripted."""
        # Before anything is awaited: jobs take their replies in the order in which they start.
        reply = self._take(recording)
        if reply is None:
            return await self._simulated.transcribe(recording if self._real_time else _ruled(recording, seconds=0))
        await asyncio.sleep(reply.seconds if self._real_time else 0)
        if reply.error is not None:
            raise EngineError(reply.error)
        if reply.text is not None:
            return _spoken(reply.text, reply.duration, recording.parameters)
        length = {} if reply.duration is None else {"duration": reply.duration}
        return await self._simulated.transcribe(_ruled(recording, seconds=0, **length))

    def _take(self, recording: Recording) -> Reply | None:
        rules = sorted(self._rules, key=lambda rule: rule.source is None)
        rule = next((rule for rule in rules if rule.fits(recording)), self._default)
        if rule is not None:
            return rule.take()
        return Reply(error=self._unscripted(recording)) if self._strict else None

    def _unscripted(self, recording: Recording) -> str:
        asked = recording.url if recording.path is None else f"an upload of {recording.path.stat().st_size:,} bytes"
        scripted = ", ".join(map(str, self._rules)) or "nothing at all"
        # Worded as what no client tries again.
        return f"Download error, 404 Client Error: nothing is scripted for {asked}; scripted is: {scripted}"


class Server(LocalServer, _Scripted):
    """A local server whose jobs go as scripted.

        async with Server() as server, server.client() as client:
            server.on("*/call-7.mp3", text=[("A", "Hello?"), ("B", "Good morning.")], seconds=30)

    Args:
        default: How jobs go that nothing is scripted for: a reply, a text, or None for the simulated engine, whose
            jobs end at once unless their URL says otherwise.
        strict: Such jobs fail instead, with a text that names what is scripted.
        real_time: Whether jobs take their seconds; otherwise all end at once.
        options: As for `LocalServer`, but for its engine.

    Raises:
        ValueError: Both `default` and `strict` are given.
    """

    def __init__(
        self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = True, **options: Any
    ) -> None:
        self._scripted = ScriptedEngine(default=default, strict=strict, real_time=real_time)
        super().__init__(self._scripted, **options)

    def _script(self, rule: _Rule) -> None:
        self._scripted._script(rule)  # noqa: SLF001 - one thing with its engine

    def client(self, **options: Any) -> AsyncClient:
        """A client of this server with quick schedules, to be entered.

        Args:
            options: As for `AsyncClient`.
        """
        return AsyncClient(self.api_key, self.base_url, **{**QUICK, **options})


class SyncServer(_Scripted):
    """A `Server` in a thread of its own, for tests that have no event loop, or another one in each thread.

        with SyncServer() as server, server.client() as client:
            server.on("interview.mp3", text="Good morning.")

    All of it can be used from any thread, before it is entered and after it was left, too.

    Args:
        default: As for `Server`.
        strict: As for `Server`.
        real_time: Whether jobs take their seconds; otherwise all end at once.
        options: As for `LocalServer`, but for its engine.

    Raises:
        ValueError: Both `default` and `strict` are given.

    Attributes:
        faults: Answers that are to fail.
    """

    def __init__(
        self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = False, **options: Any
    ) -> None:
        self._server = Server(default=default, strict=strict, real_time=real_time, **options)
        self._portal: BlockingPortal | None = None
        self._open = ExitStack()
        self.faults = SyncFaults(self._server.faults, self._call)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="asyncscribe server"))
            stack.enter_context(portal.wrap_async_context_manager(self._server))
            self._portal = portal
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._open.close()
        finally:
            self._portal = None

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._portal is None:
            return function(*args, **kwargs)
        result: T = self._portal.call(partial(function, *args, **kwargs))
        return result

    def _script(self, rule: _Rule) -> None:
        self._call(self._server._script, rule)  # noqa: SLF001 - one thing with its server

    @property
    def api_key(self) -> str:
        """A key that the server accepts."""
        return self._server.api_key

    @property
    def base_url(self) -> str:
        """The address for clients."""
        return self._server.base_url

    @property
    def requests(self) -> Counter[str]:
        """Counts of requests by method and route, as they are now."""
        return self._call(Counter, self._server.requests)

    @property
    def records(self) -> list[Record]:
        """All transcripts in the order of their creation, as they are now."""
        return self._call(self._records)

    def _records(self) -> list[Record]:
        return [replace(record, document=dict(record.document)) for record in self._server.records]

    def set_limit(self, limit: int) -> None:
        """Change the number of jobs that run at once."""
        self._call(self._server.set_limit, limit)

    def client(self, **options: Any) -> Client:
        """A client of this server with quick schedules, to be entered.

        Args:
            options: As for `Client`.
        """
        return Client(self.api_key, self.base_url, **{**QUICK, **options})


class SyncFaults:
    """The faults of a server that runs in another thread.

    Args:
        faults: Its faults.
        call: Calls a function in that thread.
    """

    def __init__(self, faults: Faults, call: Callable[..., Any]) -> None:
        self._faults = faults
        self._call = call

    def script(self, method: str, path: str, *faults: Fault) -> None:
        """Let the next `len(faults)` requests with this method, and a path that begins so, fail one after the other."""
        self._call(self._faults.script, method, path, *faults)

    def clear(self) -> None:
        """Forget the scripted faults that are still due."""
        self._call(self._faults.clear)

    def plan(self, plan: FaultPlan | None) -> None:
        """Let requests fail by chance from now on, in place of an earlier plan; None ends that."""
        self._call(self._faults.plan, plan)


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


def _ruled(recording: Recording, **rules: float) -> Recording:
    # Of two rules with a name, the simulated engine takes the last.
    parts = urlsplit(recording.url)
    query = "&".join(filter(None, [parts.query, urlencode(rules)]))
    return replace(recording, url=parts._replace(query=query).geturl())


def _spoken(text: Text, duration: float | None, parameters: Mapping[str, Any]) -> Recognition:
    turns = [("A", text)] if isinstance(text, str) else text
    said = [(speaker, word) for speaker, words in turns for word in words.split()]
    length = WORD_SECONDS * len(said) if duration is None else duration
    step = length * 1000 / max(len(said), 1)
    speakers = list(dict.fromkeys(speaker for speaker, _ in turns))
    channels = bool(parameters.get("multichannel"))
    words = []
    for number, (speaker, word) in enumerate(said):
        channel = str(speakers.index(speaker) + 1) if channels else None
        voice = _voice(speaker, channel, labels=bool(parameters.get("speaker_labels")))
        words.append(SpokenWord(word, int(number * step), int((number + 1) * step), 0.9, voice, channel))
    return Recognition(tuple(words), length, MARK, len(speakers) if channels else 1)


def _voice(speaker: str, channel: str | None, *, labels: bool) -> str | None:
    # As the service names them: "A" by voice, "1" by channel, "1A" by both.
    if channel is None:
        return speaker if labels else None
    return f"{channel}A" if labels else channel

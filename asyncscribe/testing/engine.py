"""The engine with scripted results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from asyncscribe.server.engines.base import EngineError, Recognition, Recording, SpokenWord
from asyncscribe.server.engines.simulated import MARK, SimulatedEngine
from asyncscribe.testing.scripts import Reply, Rule, Scripted, Text

#: Seconds of audio for each word of a text without a duration.
WORD_SECONDS = 0.4


class ScriptedEngine(Scripted):
    """An engine of the local server that ignores the audio: each job has a scripted result.

    Args:
        default: The result of jobs without a script: a reply, a text, or None for the simulated engine, whose jobs end
            at once unless their URL says otherwise.
        strict: Such jobs fail instead, with a text that names what is scripted.
        real_time: Whether jobs take their scripted time; otherwise all end at once.

    Raises:
        ValueError: Both `default` and `strict` are given.
    """

    name = "scripted"
    is_simulated = True
    needs_audio = False

    def __init__(self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = True) -> None:
        if strict and default is not None:
            raise ValueError("a strict server has no default: jobs without a script fail")
        reply = Reply(default) if isinstance(default, str) else default
        self._default = None if reply is None else Rule(None, reply, None)
        self._strict = strict
        self._real_time = real_time
        self._simulated = SimulatedEngine(speed=0)
        self._rules: list[Rule] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def _script(self, rule: Rule) -> None:
        # A rule without `times` is replaced, because the later one would never be used.
        kept = [old for old in self._rules if old.times is not None or old.source != rule.source]
        self._rules = [*kept, rule]

    async def transcribe(self, recording: Recording) -> Recognition:
        """Wait as long as the job takes and return the scripted result."""
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
        # Worded as a failure that no client resubmits.
        return f"Download error, 404 Client Error: nothing is scripted for {asked}; scripted is: {scripted}"


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

"""An engine that ignores the audio: words and times follow rules, for load and fault tests.

The rules are in the query of the audio URL; an upload's follow from its size:

    duration=SECONDS    length of the audio (an upload: its bytes as 16 kHz, 16 bit, mono)
    seconds=SECONDS     time the job takes (default: `speed` times the duration)
    words=N             number of words (default: two and a half a second, as in calm speech)
    error=TEXT          the job fails with this text
    server_errors=N     the first N jobs of this URL fail as if through the service's own fault
    speakers=N          speakers that take turns, with `speaker_labels` or `multichannel` (default: 2)
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from asyncscribe.server.engines.base import SERVER_ERROR, EngineError, Recognition, Recording, SpokenWord

#: Bytes of one second of audio at 16 kHz, 16 bit, mono.
BYTES_PER_SECOND = 32_000
WORDS_PER_SECOND = 2.5
#: Words that one speaker says before the next one speaks.
WORDS_PER_TURN = 5
#: Returned as `speech_model_used`, so that nobody mistakes such a transcript for real speech.
MARK = "simulated"
#: Words of all recognitions that are cached for similar jobs.
KEPT_WORDS = 500_000
_VOCABULARY = "this is a simulated transcript and nobody said any of these words".split()


class SimulatedEngine:
    """Makes transcripts by rule and says so in each.

    Args:
        speed: Seconds of work per second of audio.
        default_duration: Seconds of audio of a URL that names none.
        error_rate: Share of jobs that fail as if through the service's own fault, 0 to 1.
        seed: Seed of the random numbers that choose those jobs, in the order in which they start.
    """

    name = "simulated"
    is_simulated = True
    needs_audio = False

    def __init__(
        self, *, speed: float = 0.05, default_duration: float = 10.0, error_rate: float = 0.0, seed: int = 0
    ) -> None:
        if not 0 <= error_rate <= 1:
            raise ValueError(f"error_rate must be from 0 to 1, not {error_rate}")
        self._speed = speed
        self._default_duration = default_duration
        self._error_rate = error_rate
        self._random = random.Random(seed)
        self._kept = _Kept()
        self._failed: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def transcribe(self, recording: Recording) -> Recognition:
        """Wait as long as the job takes and make its words."""
        rules = {name: values[-1] for name, values in parse_qs(urlsplit(recording.url).query).items()}
        duration = self._duration(rules, recording)
        fails = self._random.random() < self._error_rate
        await asyncio.sleep(float(rules.get("seconds", duration * self._speed)))
        if fails:
            raise EngineError(SERVER_ERROR)
        if self._failed[recording.url] < int(rules.get("server_errors", 0)):
            self._failed[recording.url] += 1
            raise EngineError(SERVER_ERROR)
        if "error" in rules:
            raise EngineError(rules["error"])
        count = int(rules.get("words", duration * WORDS_PER_SECOND))
        return self._kept.get(
            _Script(
                count,
                duration,
                int(rules.get("speakers", 2)),
                bool(recording.parameters.get("speaker_labels")),
                bool(recording.parameters.get("multichannel")),
            )
        )

    def _duration(self, rules: dict[str, str], recording: Recording) -> float:
        if "duration" in rules:
            return float(rules["duration"])
        if recording.path is not None:
            return recording.path.stat().st_size / BYTES_PER_SECOND
        return self._default_duration


@dataclass(frozen=True, slots=True)
class _Script:
    """What is said: words, seconds, speakers, and whether speakers are distinguished by voice, by channel, or not."""

    count: int
    duration: float
    speakers: int
    labels: bool
    channels: bool


class _Kept:
    """The most recent recognitions: in a load test most jobs are alike, and can share one."""

    def __init__(self) -> None:
        self._made: OrderedDict[_Script, Recognition] = OrderedDict()
        self._words = 0

    def get(self, script: _Script) -> Recognition:
        """The recognition for a script."""
        if script in self._made:
            self._made.move_to_end(script)
            return self._made[script]
        made = self._made[script] = _spoken(script)
        self._words += len(made.words)
        while self._words > KEPT_WORDS:
            _, oldest = self._made.popitem(last=False)
            self._words -= len(oldest.words)
        return made


def _spoken(script: _Script) -> Recognition:
    labels, channels = script.labels, script.channels
    told = []
    for number, word in enumerate(_words(script.count, script.duration)):
        turn = number // WORDS_PER_TURN % script.speakers
        letter, channel = chr(ord("A") + turn), str(turn + 1)
        # As the service names them: "A" by voice, "1" by channel, "1A" by both.
        speaker = f"{channel}A" if labels and channels else channel if channels else letter if labels else None
        told.append(replace(word, speaker=speaker, channel=channel if channels else None))
    return Recognition(tuple(told), script.duration, MARK, script.speakers if channels else 1)


def _words(count: int, duration: float) -> tuple[SpokenWord, ...]:
    step = duration * 1000 / max(count, 1)
    return tuple(
        SpokenWord(_VOCABULARY[n % len(_VOCABULARY)], int(n * step), int((n + 0.8) * step) + 1, 0.9)
        for n in range(count)
    )

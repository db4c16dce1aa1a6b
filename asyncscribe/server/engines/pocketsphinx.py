"""The real engine: PocketSphinx, whose English model is in its wheel, in worker processes."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asyncscribe.server.engines.base import SERVER_ERROR, EngineError, Recognition, Recording, SpokenWord

#: Longer audio is cut at pauses and recognised piece by piece, which bounds memory and the time of the search.
#: Shorter audio is recognised as a whole, which is more accurate.
WHOLE_SECONDS = 30
MODEL = "pocketsphinx"


class PocketSphinxEngine:
    """Recognises English speech. All work runs in worker processes, so the event loop stays free.

    Args:
        workers: Number of processes; None means one per processor.
    """

    name = MODEL
    is_simulated = False
    needs_audio = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        self._pool = self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            _end(pool)

    def _start(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork of a process with threads and a running loop can hang.
        return ProcessPoolExecutor(
            self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        )

    async def transcribe(self, recording: Recording) -> Recognition:
        """Recognise a file.

        Raises:
            EngineError: It is not media, has no audio, or is too short.
        """
        pool = self._pool
        if pool is None or recording.path is None:
            raise RuntimeError("the engine is not running, or got no file")
        start, end = recording.parameters.get("audio_start_from"), recording.parameters.get("audio_end_at")
        each = bool(recording.parameters.get("multichannel"))
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                pool, _recognise, recording.path, start, end, each
            )
        except BrokenProcessPool as error:
            # A file can crash a native decoder. That costs this job (and others in the pool), not the server.
            if self._pool is pool:
                self._pool = self._start()
            raise EngineError(SERVER_ERROR) from error
        if isinstance(outcome, str):
            raise EngineError(outcome)
        words, duration, channels = outcome
        return Recognition(tuple(SpokenWord(*word) for word in words), duration, MODEL, channels=channels)


def _end(pool: ProcessPoolExecutor) -> None:
    # The workers don't finish their jobs: the results are of no use any more, and could take minutes.
    workers = list((pool._processes or {}).values())  # noqa: SLF001 - 3.14 has terminate_workers()
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5)


def _begin_worker() -> None:
    # Ctrl-C reaches the whole process group; the server decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="asyncscribe parent").start()


def _end_with_parent() -> None:
    # However the parent ends: a worker holds both ends of the pipe that it reads from, so it would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


#: Text, start and end in milliseconds, confidence, and with multichannel the channel as speaker and as channel.
Words = list[tuple[str, int, int, float, str | None, str | None]]
_decoder: Any = None


def _recognise(
    path: Path, start_ms: int | None, end_ms: int | None, each_channel: bool
) -> tuple[Words, float, int] | str:
    """The words of a file, its duration in seconds, its channels, or the text of the error; runs in a worker."""
    global _decoder
    import pocketsphinx

    from asyncscribe.server.engines import media

    if _decoder is None:
        _decoder = pocketsphinx.Decoder(samprate=media.SAMPLE_RATE, loglevel="FATAL")
    try:
        if not each_channel:
            return *_words_of_file(path, start_ms or 0, end_ms), 1
        return _words_of_channels(path, start_ms or 0, end_ms)
    except EngineError as error:
        return str(error)


def _words_of_channels(path: Path, start_ms: int, end_ms: int | None) -> tuple[Words, float, int]:
    from asyncscribe.server.engines import media

    count = max(1, media.channels(path))
    words: Words = []
    duration = 0.0
    for number in range(count):
        label = str(number + 1)
        heard, duration = _words_of_file(path, start_ms, end_ms, number)
        words += [(text, start, end, sure, label, label) for text, start, end, sure, _, _ in heard]
    return sorted(words, key=lambda word: word[1]), duration, count


def _words_of_file(path: Path, start_ms: int, end_ms: int | None, channel: int | None = None) -> tuple[Words, float]:
    from asyncscribe.server.engines import media

    words: Words = []
    pending = bytearray()
    done_ms = 0
    enough = WHOLE_SECONDS * 1000 * media.BYTES_PER_MS
    for piece in media.samples(path, start_ms, end_ms, channel):
        pending += piece
        while len(pending) > enough:
            cut = _quietest(pending[:enough])
            words += _words(bytes(pending[:cut]), start_ms + done_ms)
            done_ms += cut // media.BYTES_PER_MS
            del pending[:cut]
    duration_ms = done_ms + len(pending) / media.BYTES_PER_MS
    if duration_ms < media.SHORTEST_MS:
        raise EngineError("Audio duration is too short.")
    words += _words(bytes(pending), start_ms + done_ms)
    return words, duration_ms / 1000


def _quietest(samples: bytearray) -> int:
    """Where to cut: the middle of the quietest quarter-second in the second half, in bytes, on a whole millisecond."""
    from array import array

    from asyncscribe.server.engines.media import BYTES_PER_MS

    window = 250 * BYTES_PER_MS
    starts = range(len(samples) // 2 // BYTES_PER_MS * BYTES_PER_MS, len(samples) - window, window // 2)

    def loudness(start: int) -> int:
        return sum(map(abs, array("h", bytes(samples[start : start + window]))))

    return min(starts, key=loudness) + window // 2 // BYTES_PER_MS * BYTES_PER_MS


def _words(samples: bytes, offset_ms: int) -> Words:
    if not samples:
        return []
    _decoder.start_utt()
    _decoder.process_raw(samples, no_search=False, full_utt=True)
    _decoder.end_utt()
    frame_ms = 1000 / _decoder.config["frate"]
    return [
        (
            # "the(2)" is the second pronunciation of "the".
            segment.word.partition("(")[0],
            offset_ms + round(segment.start_frame * frame_ms),
            offset_ms + round((segment.end_frame + 1) * frame_ms),
            # Posterior probabilities come from fixed-point logarithms, and are sometimes slightly above 1.
            min(1.0, max(0.0, segment.prob)) if math.isfinite(segment.prob) else 0.0,
            None,
            None,
        )
        for segment in _decoder.seg() or ()
        if not segment.word.startswith(("<", "[", "+"))
    ]

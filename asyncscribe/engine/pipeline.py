"""Many jobs: sources are read lazily, run under bounds, and reported as they end, or in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing, suppress
from types import AsyncGeneratorType
from typing import Any, TypeAlias, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from asyncscribe.containment import is_cancelled
from asyncscribe.engine.handle import LiveJob
from asyncscribe.engine.jobs import JobRunner
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import AuthenticationError, CallbackError, NotOpen, WaitInterrupted
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.requests import Failure, Outcome, Success, TranscriptionRequest

R = TypeVar("R")
Sources: TypeAlias = Iterable[R] | AsyncIterable[R]


class Pipeline:
    """Runs many jobs with bounded memory.

    At any time at most `limit + ahead` sources are in progress: one per slot, and some that are uploaded or checked
    meanwhile. An outcome counts until the caller takes it, so a slow reader slows the work instead of piling up
    results; in ordered mode, outcomes held back for an earlier one count as well.

    Args:
        runner: Runs one job from source to transcript.
        limiter: The jobs' slots; its present limit is part of the bound.
        tasks: Owns the tasks.
        ahead: How many sources are taken beyond the limit.
    """

    def __init__(self, runner: JobRunner, limiter: Limiter, tasks: Tasks, ahead: int) -> None:
        self._runner = runner
        self._limiter = limiter
        self._tasks = tasks
        self._ahead = ahead
        self._windows: set[_Window] = set()

    def limit_changed(self) -> None:
        """More sources may be taken now."""
        for window in self._windows:
            window.wake()

    async def run(
        self,
        sources: Sources[R],
        config: TranscriptionConfig,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Outcome[R], None]:
        """Transcribe all sources; see `AsyncClient.transcribe_many`."""
        # The work runs in the client's tasks. After an early `break`, a task group in this generator would be exited
        # from whatever task happens to finalise it, which cancel scopes forbid.
        # The annotation stands alone, where it isn't evaluated: Python 3.13.0 can't fill in the defaults of `Outcome`.
        streams: tuple[
            MemoryObjectSendStream[Outcome[R] | Exception], MemoryObjectReceiveStream[Outcome[R] | Exception]
        ]
        streams = anyio.create_memory_object_stream(float("inf"))
        send, receive = streams
        window = _Window(lambda: (2 if ordered else 1) * self._limiter.limit + self._ahead)
        work = _Work(self._runner, config, priority, window, send, timeout)
        held_back: dict[int, Outcome[R]] = {}
        following = 0
        self._windows.add(window)
        try:
            self._tasks.start_soon(work.take_up, sources)
            while (result := await _next(receive)) is not None:
                if isinstance(result, Exception):
                    raise result
                if not ordered:
                    window.leave()
                    yield result
                    continue
                held_back[result.index] = result
                while (outcome := held_back.pop(following, None)) is not None:
                    following += 1
                    window.leave()
                    yield outcome
            if not work.complete:
                for index in sorted(held_back):
                    yield held_back[index]
                raise WaitInterrupted(
                    "the client was closed before all sources were transcribed",
                    None,
                    "jobs that were submitted go on and will be paid for: the outcomes and client.list() show them",
                )
        finally:
            self._windows.discard(window)
            work.leave()
            send.close()
            receive.close()


class _Work:
    """The jobs of one call. Its stream ends with the last of them."""

    def __init__(
        self,
        runner: JobRunner,
        config: TranscriptionConfig,
        priority: int,
        window: _Window,
        send: MemoryObjectSendStream[Any],
        timeout: float | None,
    ) -> None:
        self._runner = runner
        self._config = config
        self._priority = priority
        self._window = window
        self._send = send
        self._deadline = float("inf") if timeout is None else asyncio.get_running_loop().time() + timeout
        self._scope = anyio.CancelScope(deadline=self._deadline)
        self._jobs: set[LiveJob] = set()
        self._broken: Exception | None = None
        self._reading = True
        self._exhausted = self._closed = False

    @property
    def complete(self) -> bool:
        """Whether all sources that there was time for were taken, and closing the client ended no job."""
        return self._exhausted and not self._closed

    def leave(self) -> None:
        """Nobody takes outcomes any more."""
        self._scope.cancel()
        for job in tuple(self._jobs):
            job.leave()

    async def take_up(self, sources: Sources[Any]) -> None:
        """Start a job for each source, as many at once as the window holds."""
        exhausted = False
        try:
            with self._scope:
                exhausted = await self._take_up_all(sources)
            exhausted = exhausted or self._is_late()
        except NotOpen:
            self._closed = True
        except Exception as error:  # noqa: BLE001 - whatever the caller's iterable raises
            # Jobs in flight are paid for: they end before the error is raised.
            self._broken = error
            exhausted = True
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            self._broken = CallbackError("the iterable of sources raised CancelledError, and nobody had cancelled it")
            self._broken.__cause__ = error
            exhausted = True
        finally:
            self._reading = False
            self._exhausted = exhausted
            self._end_if_done()

    async def _take_up_all(self, sources: Sources[Any]) -> bool:
        index = 0
        await self._window.enter()
        async with aclosing(_each(sources)) as each:
            async for source in each:
                self._start(source, index)
                index += 1
                await self._window.enter()
        return True

    def _start(self, source: Any, index: int) -> None:
        begun = asyncio.get_running_loop().time()
        request = source if isinstance(source, TranscriptionRequest) else TranscriptionRequest(source)

        def ended(job: LiveJob) -> None:
            self._jobs.discard(job)
            self._closed = self._closed or job.was_closed
            elapsed = asyncio.get_running_loop().time() - begun
            outcome = _outcome(job, source, elapsed, index)
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                self._send.send_nowait(outcome)
            if isinstance(job.error, AuthenticationError):
                self._reject(job.error)
            self._end_if_done()

        left = None if self._deadline == float("inf") else max(0.0, self._deadline - begun)
        self._jobs.add(self._runner.start(request, self._config, self._priority, timeout=left, on_end=ended))

    def _reject(self, error: AuthenticationError) -> None:
        """Stop: the key is refused, so every further source would fail alike. Running jobs are paid for, and end."""
        if self._broken is not None:
            return
        self._broken = error
        self._scope.cancel()
        for job in tuple(self._jobs):
            if not job.ids:
                job.leave()

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self._deadline

    def _end_if_done(self) -> None:
        if self._reading or self._jobs:
            return
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if self._broken is not None:
                self._send.send_nowait(self._broken)
        # Closed last, so that the reader sees the end only after all outcomes.
        self._send.close()


def _outcome(job: LiveJob, source: R, elapsed: float, index: int) -> Outcome[R]:
    submissions = len(job.ids)
    if job.transcript is not None:
        return Success(
            source=source,
            transcript=job.transcript,
            submissions=submissions,
            elapsed=elapsed,
            index=index,
            transcript_id=job.id,
        )
    return Failure(
        source=source,
        error=job.error or NotOpen(),
        submissions=submissions,
        elapsed=elapsed,
        index=index,
        transcript_id=job.id,
    )


class _Window:
    """Counts the sources taken and not yet reported; `size` may change at any time."""

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._inside = 0
        self._left = asyncio.Event()

    async def enter(self) -> None:
        while self._inside >= self._size():
            self._left.clear()
            await self._left.wait()
        self._inside += 1

    def leave(self) -> None:
        self._inside -= 1
        self.wake()

    def wake(self) -> None:
        self._left.set()


async def _next(stream: MemoryObjectReceiveStream[R]) -> R | None:
    """The next item of the stream; None at its end."""
    # `receive` takes a turn of the event loop per item: when more than one job ends per turn, results pile up.
    with suppress(anyio.WouldBlock, anyio.EndOfStream):
        return stream.receive_nowait()
    try:
        return await stream.receive()
    except anyio.EndOfStream:
        return None


async def _each(sources: Sources[R]) -> AsyncGenerator[R, None]:
    if isinstance(sources, AsyncIterable):
        try:
            async for source in sources:
                yield source
        finally:
            # By the task that reads it. Else it would hold what it has open until it is collected as garbage.
            if isinstance(sources, AsyncGeneratorType):
                await sources.aclose()
    else:
        for source in sources:
            yield source

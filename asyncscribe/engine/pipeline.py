"""Many jobs: sources are read lazily, run under bounds, and told of as they end, or in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import anyio
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectSendStream

from asyncscribe.engine.jobs import Job, JobRunner, closed_meanwhile
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.tasks import Nursery
from asyncscribe.errors import WaitInterrupted
from asyncscribe.ledger import Tracked
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript
from asyncscribe.sources import Source

S = TypeVar("S", bound=Source | Tracked[Source])
Sources: TypeAlias = Iterable[S] | AsyncIterable[S]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """How one source of many ended: with a transcript or with an error, never with both.

    Attributes:
        source: The very object that was passed.
        transcript: The completed transcript.
        error: What ended the job instead.
        submissions: How many times it was submitted to the service.
        elapsed: Seconds from when the source was taken up (not: submitted) to the end.
        index: Position among the sources, from 0.
    """

    source: S
    transcript: Transcript | None
    error: Exception | None
    submissions: int
    elapsed: float
    index: int

    @property
    def ok(self) -> bool:
        """Whether there is a transcript."""
        return self.transcript is not None


class Pipeline:
    """Runs many jobs with bounded memory.

    At any time at most `limit + ahead` sources are taken up: as many as there are slots, and some that are uploaded or
    checked meanwhile. An outcome counts until it is taken, so a slow reader slows the work and holds no heap of
    results; in order, the outcomes that wait for an earlier one count as well.

    Args:
        runner: Takes one job the whole way.
        limiter: The jobs' slots; its present limit is part of the bound.
        nursery: Owns the tasks.
        ahead: How many sources are taken up beyond the limit.
    """

    def __init__(self, runner: JobRunner, limiter: Limiter, nursery: Nursery, ahead: int) -> None:
        self._runner = runner
        self._limiter = limiter
        self._nursery = nursery
        self._ahead = ahead
        self._windows: set[_Window] = set()

    def limit_changed(self) -> None:
        """More sources may be taken up now."""
        for window in self._windows:
            window.wake()

    async def run(
        self, sources: Sources[S], config: TranscriptionConfig, *, ordered: bool = False, priority: int = 0
    ) -> AsyncGenerator[Outcome[S], None]:
        """Transcribe all sources; see `AsyncClient.transcribe_many`."""
        window = _Window(lambda: (2 if ordered else 1) * self._limiter.limit + self._ahead)
        # The work is in a task of the nursery's. A task group in this generator would be left, after an early `break`,
        # from whatever task happens to finalise it, which cancel scopes forbid.
        send, receive = anyio.create_memory_object_stream[Outcome[S] | Exception](float("inf"))
        held_back: dict[int, Outcome[S]] = {}
        following = 0
        work: anyio.CancelScope | None = None
        self._windows.add(window)
        try:
            work = await self._nursery.start(self._work, sources, config, priority, window, send)
            async for result in receive:
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
            if not window.closed:
                for index in sorted(held_back):
                    yield held_back[index]
                raise WaitInterrupted(
                    "the client was closed before all sources were transcribed",
                    None,
                    "jobs that were submitted go on and will be paid for: client.list() shows them",
                )
        finally:
            self._windows.discard(window)
            if work is not None:
                work.cancel()
            send.close()
            receive.close()

    async def _work(
        self,
        sources: Sources[S],
        config: TranscriptionConfig,
        priority: int,
        window: _Window,
        send: MemoryObjectSendStream[Outcome[S] | Exception],
        *,
        task_status: TaskStatus[anyio.CancelScope],
    ) -> None:
        broken: Exception | None = None
        # Closed last, so that the reader sees the end only after all outcomes.
        async with send:
            with anyio.CancelScope() as scope:
                task_status.started(scope)
                async with anyio.create_task_group() as group:
                    index = 0
                    try:
                        await window.enter()
                        async for source in _each(sources):
                            group.start_soon(self._one, source, index, config, priority, send)
                            index += 1
                            await window.enter()
                    except Exception as error:  # noqa: BLE001 - whatever the caller's iterable raises
                        # What is in flight is paid for: it ends before the error is told.
                        broken = error
                window.closed = True
                if broken is not None:
                    await send.send(broken)

    async def _one(
        self,
        source: S,
        index: int,
        config: TranscriptionConfig,
        priority: int,
        send: MemoryObjectSendStream[Outcome[S] | Exception],
    ) -> None:
        begun = anyio.current_time()
        transcript: Transcript | None = None
        failure: Exception | None = None
        job: Job | None = None
        try:
            job = self._runner.create(source, config, priority)
            transcript = await self._runner.run(job)
        except Exception as error:  # noqa: BLE001 - one bad item must never stop the others
            failure = error
        except BaseException:
            # Cancelled: a reader that is still there learns which jobs go on at the service.
            if job is not None and job.ids:
                failure = closed_meanwhile(job)
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    send.send_nowait(Outcome(source, None, failure, job.submissions, 0.0, index))
            raise
        submissions = job.submissions if job else 0
        # At once, for its task may be cancelled already; the stream takes any number.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            send.send_nowait(Outcome(source, transcript, failure, submissions, anyio.current_time() - begun, index))


class _Window:
    """Counts what is taken up and not yet told; `size` may change at any time."""

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._inside = 0
        self._left = anyio.Event()
        #: Whether everything that was taken up has ended and nothing follows.
        self.closed = False

    async def enter(self) -> None:
        while self._inside >= self._size():
            self._left = anyio.Event()
            await self._left.wait()
        self._inside += 1

    def leave(self) -> None:
        self._inside -= 1
        self.wake()

    def wake(self) -> None:
        self._left.set()


async def _each(sources: Sources[S]) -> AsyncIterator[S]:
    if isinstance(sources, AsyncIterable):
        async for source in sources:
            yield source
    else:
        for source in sources:
            yield source

"""Tasks that outlive the call that started them; the client owns them and ends them when it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import anyio

from asyncscribe.containment import is_cancelled
from asyncscribe.errors import NotOpen
from asyncscribe.logs import log

#: Seconds that closing waits for shielded sections, such as a submission that awaits its answer.
GRACE = 10.0


class Tasks:
    """Owns tasks, each in its own cancel scope.

    A task group that is opened in `__aenter__` ties its scope to the task that entered it: a client could then not be
    closed from another task, and would cancel its user's code when one of its own tasks fails. Neither happens here;
    closing still waits for the last task. No task can disturb another: an exception is only logged, because tasks
    record their own outcomes.

    Args:
        grace: Seconds that closing waits for shielded sections.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._tasks: dict[asyncio.Task[None], anyio.CancelScope] = {}
        self._shields: set[anyio.CancelScope] = set()
        self._closing: asyncio.Event | None = None
        self._patient = True
        self._accepting = False

    @property
    def is_accepting(self) -> bool:
        """Whether new work may begin; running work may still start tasks while it finishes."""
        return self._accepting and self.is_open

    def stop_accepting(self) -> None:
        """Accept no new work until it is opened again."""
        self._accepting = False

    @property
    def is_open(self) -> bool:
        """Whether tasks can be started."""
        return self._closing is not None and not self._closing.is_set()

    async def __aenter__(self) -> Self:
        self._closing = asyncio.Event()
        self._patient = self._accepting = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._closing is None:
            return
        self._closing.set()
        with anyio.CancelScope(shield=True):
            for scope in self._tasks.values():
                scope.cancel()
            await self._until_all_ended(self._grace)
            if self._tasks:
                self._patient = False
                for scope in self._shields:
                    scope.cancel()
                await self._until_all_ended(None)

    async def _until_all_ended(self, timeout: float | None) -> None:
        # In a loop: the last act of one task may be to start another.
        while self._tasks:
            _, unfinished = await asyncio.wait(tuple(self._tasks), timeout=timeout)
            if unfinished:
                return

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> anyio.CancelScope:
        """Start a task and return its cancel scope, to cancel it or give it a deadline.

        Raises:
            NotOpen: It is not open yet, or is being closed.
        """
        if not self.is_open:
            raise NotOpen
        scope = anyio.CancelScope()
        task = asyncio.create_task(_contained(scope, function, arguments))
        self._tasks[task] = scope
        task.add_done_callback(self._ended)
        return scope

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Only KeyboardInterrupt and SystemExit get here, which must not be swallowed.
            log.error("a task was ended by %r", error)

    @contextmanager
    def shielded(self) -> Iterator[anyio.CancelScope]:
        """A section that neither enclosing scopes nor closing cut off; closing waits for it, up to the grace period.

        If the section was cut off after that, the scope has `cancelled_caught` set.
        """
        with anyio.CancelScope(shield=self._patient) as scope:
            self._shields.add(scope)
            try:
                yield scope
            finally:
                self._shields.discard(scope)

    async def sleep(self, seconds: float) -> bool:
        """Sleep until the time has passed or closing begins; return whether closing has begun."""
        closing = self._closing
        if closing is None or closing.is_set():
            return True
        with anyio.move_on_after(seconds):
            await closing.wait()
        return closing.is_set()


async def _contained(
    scope: anyio.CancelScope, function: Callable[..., Coroutine[Any, Any, object]], arguments: tuple[object, ...]
) -> None:
    try:
        with scope:
            await function(*arguments)
    except Exception:  # noqa: BLE001 - a mistake in one task must not end the others
        log.exception("a task failed: %s", getattr(function, "__qualname__", function))
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        # Reraised, it would end the task as if somebody had cancelled it.
        log.exception("a task raised CancelledError that nobody asked for: %s", getattr(function, "__qualname__", ""))

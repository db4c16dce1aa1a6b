"""Tasks that outlive the call that started them, owned by the client and ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

T = TypeVar("T")


class NurseryClosed(RuntimeError):
    """The nursery was closed while a task was being started; it was cancelled."""


class Nursery:
    """A task group in a task of its own.

    A task group that is opened in `__aenter__` ties its cancel scope to the task that entered it: a client could then
    not be closed from another task, and would cancel its user's code when one of its own tasks fails. Here the group's
    host is a task of the nursery's, so neither happens; the nursery still ends no sooner than its last task.
    """

    def __init__(self) -> None:
        self._host: asyncio.Task[None] | None = None
        self._group: TaskGroup | None = None
        self._starting: set[anyio.CancelScope] = set()

    @property
    def is_open(self) -> bool:
        """Whether tasks can be started."""
        return self._group is not None

    async def __aenter__(self) -> Self:
        ready = anyio.Event()
        self._host = asyncio.create_task(self._run(ready), name="asyncscribe nursery")
        try:
            await ready.wait()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _run(self, ready: anyio.Event) -> None:
        async with anyio.create_task_group() as group:
            self._group = group
            ready.set()
            await anyio.sleep_forever()

    async def _close(self) -> None:
        host, self._host, self._group = self._host, None, None
        for scope in self._starting:
            scope.cancel()
        if host is not None:
            host.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([host])
            if not host.cancelled() and (error := host.exception()) is not None:
                raise error

    async def start(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:
        """Start a task and wait until it calls `task_status.started(value)`; return the value.

        Until then the task belongs to the caller: its errors are raised here, and cancelling the caller cancels it.

        Raises:
            RuntimeError: The nursery is not open.
            NurseryClosed: It was closed meanwhile.
        """
        if self._group is None:
            # Plain: the local server has a nursery too, and shares no errors with the client.
            raise RuntimeError("the client is not open: use it in `async with AsyncClient(...) as client:`")
        # A task that is being started is under its caller's scope, not the group's: closing has to reach it as well.
        with anyio.CancelScope() as scope:
            self._starting.add(scope)
            try:
                return await self._group.start(function, *arguments)
            finally:
                self._starting.discard(scope)
        raise NurseryClosed("closed while a task was being started")

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> None:
        """Start a task that handles its own errors.

        Raises:
            RuntimeError: The nursery is not open.
        """
        if self._group is None:
            raise RuntimeError("the nursery is not open")
        self._group.start_soon(function, *arguments)

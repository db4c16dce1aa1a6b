"""`Lifetime`: a client is opened, drained and closed, and can be opened again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import anyio

from asyncscribe.api.transport import Transport
from asyncscribe.engine.jobs import JobRunner
from asyncscribe.engine.tasks import Tasks
from asyncscribe.models.transcript import TranscriptId


class Lifetime:
    """Opens and closes what a client has: connections, and the tasks that use them, which end first.

    Args:
        transport: Has the connections.
        tasks: What goes on in the background.
        runner: Knows the jobs; drained before the end.
    """

    def __init__(self, transport: Transport, tasks: Tasks, runner: JobRunner) -> None:
        self._transport = transport
        self._tasks = tasks
        self._runner = runner
        self._open = AsyncExitStack()
        self._closing: asyncio.Task[tuple[TranscriptId, ...]] | None = None
        self._draining: anyio.CancelScope | None = None

    @property
    def is_closing(self) -> bool:
        """Whether it is being closed at this moment."""
        return self._closing is not None

    async def open(self) -> None:
        """Open everything, or nothing.

        Raises:
            RuntimeError: It is open already.
        """
        if self._transport.is_open:
            raise RuntimeError("the client is open already")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._transport)
            await stack.enter_async_context(self._tasks)
            self._open = stack.pop_all()

    async def close(self, drain: float) -> tuple[TranscriptId, ...]:
        """Close everything; see `AsyncClient.aclose`."""
        # In a task of its own: closing waits for the jobs' tasks, and this may be called by one of them.
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(drain), name="asyncscribe closing")
            self._closing.add_done_callback(self._closed)
        elif not drain and self._draining is not None:
            self._draining.cancel()
        return await asyncio.shield(self._closing)

    async def _close(self, drain: float) -> tuple[TranscriptId, ...]:
        try:
            with anyio.CancelScope() as self._draining:
                if drain > 0:
                    await self._runner.drain(drain)
        finally:
            jobs, waited = self._runner.active, self._runner.waited
            await self._open.aclose()
        return (*(job.running for job in jobs if job.running is not None), *waited)

    def _closed(self, _: asyncio.Task[tuple[TranscriptId, ...]]) -> None:
        self._closing = None

"""The lease of a worker: how long nobody else can take over its jobs.

It is renewed by a beat on its own thread and connection, which neither a busy event loop nor a long commit holds up.
The holder counts from *before* a beat was sent, on a clock that runs while the machine sleeps, and ends a margin before
the database does: only the rates of the two clocks have to agree, not their times.

`Worker.is_held` is asked right before each paid request is written (`Crew.permit`); `journal.postgres.steps.Fence`
guards what is kept of a job.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import anyio
import psycopg
from psycopg import Connection

from asyncscribe.batch.journal.postgres import workers
from asyncscribe.batch.journal.postgres.connection import Work, in_transaction, problem_of
from asyncscribe.batch.journal.postgres.journal import PostgresJournal
from asyncscribe.errors import JournalError

_log = logging.getLogger("asyncscribe")

#: Seconds.
LEASE = 30.0
BEAT = 10.0
#: The share of a lease that its holder does not use: for clocks that run at different rates, and for the time between a
#: check of the lease and the next action.
MARGIN = 0.1


def boottime() -> float:
    """Seconds of a clock that nobody sets and, where the system has one, that runs while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Worker:
    """A process that takes part. An async context manager: joins, beats, and leaves.

    Args:
        journal: An open journal that has not joined yet.
        name: Its name in lists of workers.
        host: Where it runs.
        lease: Seconds after its last beat until others may take over its jobs.
        beat: Seconds from one beat to the next.
        clock: Seconds; must not stop while the machine sleeps.

    Raises (on entering):
        JournalError: The database can't be reached.

    Attributes:
        id: Its number, which no other worker was ever given.
        oldest: The lowest number of those that took part when it joined.
        alive: How many workers there were at the last beat, this one included.
        lost: Set once the lease is lost for good.
    """

    def __init__(
        self,
        journal: PostgresJournal,
        name: str,
        host: str,
        *,
        lease: float = LEASE,
        beat: float = BEAT,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._journal = journal
        self._name = name
        self._host = host
        self._lease = lease
        self._pause = beat
        self._clock = clock
        self._held_until = 0.0
        self._is_lost = False
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asyncscribe beats")
        self._beats: asyncio.Future[None] | None = None
        #: One beat at a time, whoever asks for it.
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.id = 0
        self.oldest = 0
        self.alive = 1
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        before = self._clock()
        self.id = await self._journal.join(self._name, self._host, self._lease)
        self.oldest = await self._journal.oldest() or self.id
        self._held_until = before + self._lease * (1 - MARGIN)
        self._beats = self._loop.run_in_executor(self._thread, self._beat_on)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        try:
            with anyio.CancelScope(shield=True):
                if self._beats is not None:
                    await self._beats
                # If the database can't be reached, the others wait for the end of the lease.
                with anyio.move_on_after(self._lease), suppress(JournalError):
                    await self._journal.leave()
        finally:
            self._thread.shutdown(wait=False)

    def is_held(self) -> bool:
        """Whether nobody else can have this worker's jobs at this moment. Cheap: called right before a POST."""
        return not (self._is_lost or self._stop.is_set()) and self._clock() < self._held_until

    async def beat(self) -> int:
        """Beat now; returns how many workers are alive, 0 if this one is not.

        Raises:
            JournalError: The database could not be asked.
        """
        return await asyncio.get_running_loop().run_in_executor(None, self._beat)

    # On the beats' thread.

    def _beat_on(self) -> None:
        try:
            pause = self._pause
            while not self._stop.wait(pause) and not self._is_lost:
                try:
                    self._beat()
                    pause = self._pause
                except JournalError as error:
                    _log.warning("a beat of worker %s failed: %s", self.id, error)
                    pause = self._pause / 10
        finally:
            with self._turn:
                self._close()

    def _beat(self) -> int:
        with self._turn:
            # First: the renewal may have to wait for the own claim, which waits for a process that is stopped.
            self._transact([workers.end_stuck(self._lease)])
            before = self._clock()
            (alive,) = self._transact([workers.renew(self.id, self._lease)])
            if alive:
                self._held_until = before + self._lease * (1 - MARGIN)
                self.alive = alive
            else:
                self._lose()
            # In a transaction of its own, so that the renewal does not wait for it.
            self._transact([workers.reap()])
            return int(alive)

    def _lose(self) -> None:
        self._is_lost = True
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.lost.set)

    def _transact(self, works: Sequence[Work[Any]]) -> list[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._journal.connect()
        try:
            return [finish() for finish in in_transaction(self._connection, works, durable=True)]
        except psycopg.Error as error:
            problem = problem_of(error)
        self._close()
        raise JournalError(self._journal.place, problem)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

"""Group commit: the steps of many jobs share the transactions of one connection, on a thread of its own.

A step waits a moment for others, how long depends on what hangs on it:

- What is *done* is waited for, until its commit has ended.
- What is *noted* is written soon after. That it could not be written is told to whoever comes next.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import anyio

from asyncscribe.policies.backoff import Backoff

#: Seconds that a step which is waited for waits for others. At 200 jobs a second, 4 share a commit.
LINGER = 0.02
#: Seconds that other steps wait for one that is waited for.
NOTE_LINGER = 0.1
#: Between attempts while the database is away.
RETRIES = Backoff(0.1, 2.0, 5.0, 0.25)

W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)


class Store(Protocol[W_contra]):
    """Where steps are kept. All of it is called on one thread."""

    def open(self) -> None:
        """Connect."""
        ...

    def close(self) -> None:
        """End the connection, whatever state it is in."""
        ...

    def transact(self, works: Sequence[W_contra], *, durable: bool) -> list[Any]:
        """Do all of it in one transaction.

        Args:
            works: What is done, in this order.
            durable: Whether it must survive a loss of power once this has returned.

        Returns:
            What each gave; a `Refusal` for one whose caller is to get an error although the rest is committed.

        Raises:
            Away: The database can't be reached, and the same works can be done again later.
        """
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """One step of a transaction ended with an error of its own; the others are committed."""

    error: Exception


class Away(Exception):
    """The database can't be reached for now.

    Attributes:
        error: What is raised if nobody waits for it to come back.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Pending(NamedTuple, Generic[W]):
    work: W
    durable: bool
    #: None for a note.
    future: asyncio.Future[Any] | None


class Committer(Generic[W]):
    """Has works done by a store, many in one transaction.

    Works of one caller are done in the order in which they were told. While the database is away they are tried again
    with a backoff, for as long as somebody waits or something was noted.

    Args:
        store: Does them.
        name: The thread's.
        retries: Seconds between attempts while the database is away.
    """

    def __init__(self, store: Store[W], name: str, retries: Backoff = RETRIES) -> None:
        self._store = store
        self._retries = retries
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: list[_Pending[W]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._broken: Exception | None = None
        self._committing: asyncio.Future[list[Any]] | None = None
        self._attempts = 0
        #: No attempt before this moment of the loop's clock.
        self._not_before = 0.0
        self._closing = False

    async def open(self) -> None:
        """Open the store; its error is raised."""
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._store.open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Have what is pending done, and close the store. A database that is away is not waited for."""
        self._closing = True
        try:
            with anyio.CancelScope(shield=True):
                await self._flush()
                await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        finally:
            self._thread.shutdown(wait=False)

    async def do(self, work: W, *, durable: bool = False, linger: float = 0.0) -> Any:
        """Have it done and return its result, once that is committed.

        Args:
            work: What is done.
            durable: Whether it must survive a loss of power.
            linger: Seconds that it waits for others.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._add(_Pending(work, durable, future), linger)
        return await future

    def note(self, work: W) -> None:
        """Have it done soon.

        Raises:
            JournalError: An earlier note could not be written.
        """
        self._add(_Pending(work, durable=False, future=None), NOTE_LINGER)

    def _add(self, pending: _Pending[W], linger: float) -> None:
        if self._broken is not None:
            raise self._broken
        self._pending.append(pending)
        self._wake(linger)

    def _wake(self, linger: float) -> None:
        loop = asyncio.get_running_loop()
        moment = max(loop.time() + linger, self._not_before)
        if self._timer is None or moment < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(moment, self._commit_pending)

    def _commit_pending(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._committing is not None or not self._pending:
            # The end of the commit that is under way comes back to this.
            return
        batch, self._pending = self._pending, []
        works = [pending.work for pending in batch]
        durable = any(pending.durable for pending in batch)
        self._committing = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._store.transact(works, durable=durable)
        )
        self._committing.add_done_callback(lambda done: self._committed(done, batch))

    def _committed(self, done: asyncio.Future[list[Any]], batch: Sequence[_Pending[W]]) -> None:
        self._committing = None
        try:
            results = done.result()
        except Away as away:
            if self._put_back(batch):
                return
            results = [Refusal(away.error)] * len(batch)
        except Exception as error:  # noqa: BLE001 - it is passed on to all who wait
            results = [Refusal(error)] * len(batch)
        self._attempts = 0
        for pending, result in zip(batch, results, strict=True):
            self._tell(pending.future, result)
        if any(pending.future is not None for pending in self._pending):
            self._commit_pending()
        elif self._pending and self._timer is None:
            self._wake(NOTE_LINGER)

    def _tell(self, future: asyncio.Future[Any] | None, result: Any) -> None:
        if future is None:
            self._broken = result.error if isinstance(result, Refusal) else self._broken
        elif future.done():
            # Cancelled meanwhile: nobody asks.
            return
        elif isinstance(result, Refusal):
            future.set_exception(result.error)
        else:
            future.set_result(result)

    def _put_back(self, batch: Sequence[_Pending[W]]) -> bool:
        """Whether these are tried again later: those that are still wanted."""
        if self._closing:
            return False
        self._pending[:0] = [pending for pending in batch if pending.future is None or not pending.future.done()]
        delay = self._retries.delay(self._attempts, random.random)
        self._attempts += 1
        self._not_before = asyncio.get_running_loop().time() + delay
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            self._wake(delay)
        return True

    async def _flush(self) -> None:
        self._not_before = 0.0
        self._commit_pending()
        while self._committing is not None:
            await asyncio.wait([self._committing])
            # Its callback, which may start the next, comes after this task's.
            await asyncio.sleep(0)
            self._commit_pending()

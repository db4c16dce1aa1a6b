"""Group commit: the steps of many jobs share the transactions of one connection, on a thread of its own.

A step waits a moment for others:

- `do` returns when its commit has ended.
- `note` returns at once, and the step is written soon after. If that fails, the next caller gets the error.
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

#: Seconds that a step with a waiting caller waits for others. At 200 jobs a second, 4 share a commit.
LINGER = 0.02
#: Seconds that a note waits for a step with a waiting caller.
NOTE_LINGER = 0.1
#: Between attempts while the database is away.
RETRIES = Backoff(0.1, 2.0, 5.0, 0.25)

W = TypeVar("W")
W_contra = TypeVar("W_contra", contravariant=True)


class Store(Protocol[W_contra]):
    """Where steps are kept. All methods are called on one thread."""

    def open(self) -> None:
        """Connect."""
        ...

    def close(self) -> None:
        """Close the connection, whatever its state."""
        ...

    def transact(self, works: Sequence[W_contra], *, durable: bool) -> list[Any]:
        """Do all works in one transaction.

        Args:
            works: Done in this order.
            durable: Whether they must survive a loss of power once this has returned.

        Returns:
            The result of each; a `Refusal` for one that failed alone, while the rest is committed.

        Raises:
            Away: The database can't be reached, and the same works can be done again later.
        """
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """One step of a transaction failed alone; the others are committed."""

    error: Exception


class Away(Exception):
    """The database can't be reached now.

    Attributes:
        error: Raised if nobody waits for the database to come back.
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
    """Passes works to a store, many in one transaction.

    Works of one caller are done in the order of the calls. While the database is away they are retried with a backoff,
    as long as a caller waits or a note is left.

    Args:
        store: Does the works.
        name: Name of the thread.
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
        """Open the store; raises what it raises."""
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._store.open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Do what is left, and close the store. Does not wait for a database that is away."""
        self._closing = True
        try:
            with anyio.CancelScope(shield=True):
                await self._flush()
                await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        finally:
            self._thread.shutdown(wait=False)

    async def do(self, work: W, *, durable: bool = False, linger: float = 0.0) -> Any:
        """Do it, and return its result once it is committed.

        Args:
            work: What is done.
            durable: Whether it must survive a loss of power.
            linger: Seconds that it waits for others.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._add(_Pending(work, durable, future), linger)
        return await future

    def note(self, work: W) -> None:
        """Do it soon.

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
            # Called again when the present commit ends.
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
        except Exception as error:  # noqa: BLE001 - passed on to all callers
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
            # Cancelled meanwhile: nobody waits.
            return
        elif isinstance(result, Refusal):
            future.set_exception(result.error)
        else:
            future.set_result(result)

    def _put_back(self, batch: Sequence[_Pending[W]]) -> bool:
        """Keep the works that are still wanted, to be tried again; False if the committer closes."""
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
            # The commit's callback, which may start the next one, runs after this task wakes.
            await asyncio.sleep(0)
            self._commit_pending()

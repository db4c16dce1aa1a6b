"""Slots bound how many jobs or uploads run at once. The `Limiter` blocks and counts; a `Limit` says how many."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from asyncscribe.logs import log
from asyncscribe.policies.limits import Evidence, Limit


@dataclass(frozen=True, slots=True)
class LimiterStatistics:
    """A limiter at one moment.

    Attributes:
        limit: How many slots there are.
        held: How many are held; more than `limit` only right after it was lowered.
        waiting: How many borrowers wait.
    """

    limit: int
    held: int
    waiting: int


@dataclass(order=True, slots=True)
class _Waiter:
    rank: tuple[int, int]
    borrower: Hashable = field(compare=False)
    granted: asyncio.Event = field(compare=False, default_factory=asyncio.Event)
    gone: bool = field(compare=False, default=False)


class Limiter:
    """Hands slots to borrowers, the highest priority first and first come, first served among equals.

    anyio's `CapacityLimiter` has no priorities. As there, a slot belongs to a named borrower, and borrowing twice or
    returning a slot that is not held is an error, so that a bookkeeping mistake can't hide as a leak.

    Args:
        limit: Decides how many slots there are.
        on_change: Called with the new limit when it changes.
    """

    def __init__(self, limit: Limit, on_change: Callable[[int], None] | None = None) -> None:
        self._policy = limit
        self._limit = max(1, int(limit.initial))
        self._on_change = on_change
        self._held: set[Hashable] = set()
        self._waiters: list[_Waiter] = []
        #: How many of them still wait; the others were cancelled.
        self._waiting = 0
        self._blocked = 0
        self._arrivals = count()

    def __repr__(self) -> str:
        return f"<Limiter {len(self._held)} of {self._limit} held, {self._waiting} waiting>"

    @property
    def limit(self) -> int:
        """How many slots there are now."""
        return self._limit

    @property
    def basis(self) -> str:
        """How the limit was found; empty if its policy doesn't say."""
        return str(getattr(self._policy, "basis", ""))

    def statistics(self) -> LimiterStatistics:
        """The present counts."""
        return LimiterStatistics(self._limit, len(self._held), self._waiting)

    @asynccontextmanager
    async def slot(self, borrower: Hashable, priority: int = 0) -> AsyncIterator[None]:
        """Hold a slot for as long as the context lasts; wait for one if none is free.

        Args:
            borrower: Who holds it; holds one at a time.
            priority: A higher one overtakes all lower ones that wait.

        Raises:
            RuntimeError: The borrower holds a slot already.
        """
        await self.acquire(borrower, priority)
        try:
            yield
        finally:
            self.release(borrower)

    async def acquire(self, borrower: Hashable, priority: int = 0) -> None:
        """Take a slot; to be returned with `release`. See `slot`."""
        if borrower in self._held:
            raise RuntimeError(f"{borrower!r} holds a slot already")
        if not self._waiting and len(self._held) < self._limit:
            self._held.add(borrower)
            return
        waiter = _Waiter((-priority, next(self._arrivals)), borrower)
        heapq.heappush(self._waiters, waiter)
        self._waiting += 1
        self._blocked += 1
        try:
            await waiter.granted.wait()
        except BaseException:
            if waiter.granted.is_set():
                # The slot was handed over in the same moment: pass it on.
                self.release(borrower)
            else:
                waiter.gone = True
                self._waiting -= 1
                self._forget_the_gone()
            raise

    def release(self, borrower: Hashable) -> None:
        """Return a slot.

        Raises:
            RuntimeError: The borrower holds none.
        """
        if borrower not in self._held:
            raise RuntimeError(f"{borrower!r} holds no slot")
        self._held.remove(borrower)
        self._grant()

    def observe(self, evidence: Evidence) -> None:
        """Pass the evidence, and how many waited here, to the policy; the limit may change.

        If the policy raises or returns an invalid limit, the limit stays as it is: no job must hang because of that.
        """
        wanted = max(self._waiting, self._blocked)
        self._blocked = 0
        try:
            limit = int(self._policy.update(replace(evidence, wanted=wanted)))
        except Exception:  # noqa: BLE001 - whatever a caller's policy may raise
            log.exception("the limit %r failed; it stays %d", self._policy, self._limit)
            return
        limit = max(1, limit)
        if limit != self._limit:
            self._limit = limit
            if self._on_change is not None:
                self._on_change(limit)
            self._grant()

    def _forget_the_gone(self) -> None:
        if len(self._waiters) > 2 * self._waiting + 32:
            self._waiters = [waiter for waiter in self._waiters if not waiter.gone]
            heapq.heapify(self._waiters)

    def _grant(self) -> None:
        while self._waiters and len(self._held) < self._limit:
            waiter = heapq.heappop(self._waiters)
            if not waiter.gone:
                self._waiting -= 1
                self._held.add(waiter.borrower)
                waiter.granted.set()

"""The one queue before the network: every request passes here, and nothing else makes requests wait.

Requests wait in a lane (`policies.request_rate.Lane`), the highest priority first and first come, first served among
equals. They are let through when the pause that the service asked for is over, the window of the allowance has room for
their lane, a connection is free, and, for a repeat, the retry budget has a token. One timer serves all waiting
requests; a request is woken only when its turn has come.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from asyncscribe.errors import NotOpen
from asyncscribe.events import EventHandler, RequestsPaused, ignore
from asyncscribe.policies.pauses import Pauses
from asyncscribe.policies.request_rate import LANES, LEAST_REQUESTS, HttpBudget, Lane, SlidingWindow
from asyncscribe.policies.retry import RetryBudget

#: Requests under way at once. The allowance is 67 requests a second in the long run; at half a second an answer that
#: keeps 34 connections busy. The rest are for bursts. Uploads are not counted: they have connections of their own.
CONNECTIONS = 100
#: The share of them that polls may take: when the service answers nothing, results and submissions must still get in.
POLL_CONNECTIONS = 0.6
#: Seconds. A delay the size of a rounding error would let no time pass on a coarser clock.
SHORTEST_WAIT = 0.001


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """The gate at one moment.

    Attributes:
        waiting: Requests that wait.
        under_way: Requests that were let through and have not ended, without uploads.
        used: Requests that count in the allowance's window.
        allowed: Requests that fit into the allowance's window.
        retries: Repeats of failed requests that may be sent now.
        paused: Seconds for which nothing is sent, because the service asked for it.
    """

    waiting: int
    under_way: int
    used: int
    allowed: int
    retries: float
    paused: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Permission to send one request; to be returned with `Gate.leave`.

    Attributes:
        lane: What the request is for.
        repeat: Whether it repeats a failed one.
        connected: Whether it takes one of the gate's connections; uploads have their own.
        sent: When it was let through, seconds of the loop's clock.
    """

    lane: Lane
    repeat: bool
    connected: bool
    sent: float


@dataclass(order=True, slots=True)
class _Waiter:
    rank: tuple[int, int]
    repeat: bool = field(compare=False)
    connected: bool = field(compare=False)
    turn: asyncio.Future[Pass] = field(compare=False)


class _Line:
    """The waiters of one lane, in order; cancelled ones are dropped on the way."""

    def __init__(self) -> None:
        self._waiters: list[_Waiter] = []
        self._gone = 0

    def __len__(self) -> int:
        return len(self._waiters) - self._gone

    def push(self, waiter: _Waiter) -> None:
        heapq.heappush(self._waiters, waiter)

    def first(self) -> _Waiter | None:
        while self._waiters and self._waiters[0].turn.done():
            heapq.heappop(self._waiters)
            self._gone -= 1
        return self._waiters[0] if self._waiters else None

    def pop(self) -> None:
        heapq.heappop(self._waiters)

    def dropped(self) -> None:
        """Count a cancelled waiter; once half of the heap is cancelled, it is rebuilt."""
        self._gone += 1
        if self._gone > 32 and self._gone > len(self._waiters) // 2:
            self._waiters = [waiter for waiter in self._waiters if not waiter.turn.done()]
            heapq.heapify(self._waiters)
            self._gone = 0


class Gate:
    """Lets requests through.

    Args:
        budget: How many requests may be sent.
        retries: How many of them may be repeats.
        connections: Requests under way at once.
        on_event: Receives pauses.
    """

    def __init__(
        self,
        budget: HttpBudget | None = None,
        retries: RetryBudget | None = None,
        *,
        connections: int = CONNECTIONS,
        on_event: EventHandler = ignore,
    ) -> None:
        self._budget = budget or HttpBudget()
        self._window = SlidingWindow(self._budget)
        self._retries = retries or RetryBudget()
        self._pauses = Pauses()
        self._bounds = (connections, connections, max(1, int(POLL_CONNECTIONS * connections)))
        self._emit = on_event
        # Repeats have separate lines, so that those without a token hold nobody up.
        self._lines = {(lane, repeat): _Line() for lane in Lane for repeat in (False, True)}
        self._arrivals = count()
        self._waiting = 0
        self._under_way = [0] * len(Lane)
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._now: Callable[[], float] = lambda: asyncio.get_running_loop().time()

    def __repr__(self) -> str:
        return f"<Gate {sum(self._under_way)} under way, {self._waiting} waiting>"

    def share(self, clients: int) -> None:
        """Take an equal part of the account's allowance, because this many clients share it."""
        self.resize(replace(self._budget, requests=max(LEAST_REQUESTS, self._budget.requests // clients)))

    def open(self) -> None:
        """Let requests through from now on."""
        self._is_open = True
        # Bound once, because it is called several times per request.
        self._now = asyncio.get_running_loop().time

    def close(self) -> None:
        """Let nothing through any more; whoever waits gets `NotOpen`."""
        self._is_open = False
        self._disarm()
        for line in self._lines.values():
            while (waiter := line.first()) is not None:
                line.pop()
                self._waiting -= 1
                waiter.turn.set_exception(NotOpen())

    def statistics(self) -> GateStatistics:
        """The present counts."""
        now = self._now()
        return GateStatistics(
            waiting=self._waiting,
            under_way=sum(self._under_way),
            used=self._window.used(now),
            allowed=self._window.budget.requests,
            retries=self._retries.level(now),
            paused=max(0.0, self._pauses.until - now),
        )

    def resize(self, budget: HttpBudget) -> None:
        """Change the allowance, e.g. a process's share of it when others come and go."""
        self._window.resize(budget)
        self._advance()

    async def enter(self, lane: Lane, priority: int = 0, *, repeat: bool = False, connected: bool = True) -> Pass:
        """Wait for permission to send a request.

        Args:
            lane: What it is for.
            priority: A higher one overtakes all lower ones of its lane.
            repeat: Whether it repeats a failed one, which takes a token of the retry budget.
            connected: Whether it takes one of the gate's connections.

        Raises:
            NotOpen: The gate is closed, or was closed meanwhile.
        """
        if not self._is_open:
            raise NotOpen
        if not self._waiting and self._delay(now := self._now(), lane, repeat=repeat, connected=connected) == 0:
            return self._grant(now, lane, repeat=repeat, connected=connected)
        turn: asyncio.Future[Pass] = asyncio.get_running_loop().create_future()
        line = self._lines[lane, repeat]
        line.push(_Waiter((-priority, next(self._arrivals)), repeat, connected, turn))
        self._waiting += 1
        self._advance()
        try:
            return await turn
        except BaseException:
            if not turn.done() or turn.cancelled():
                self._waiting -= 1
                line.dropped()
                self._advance()
            elif turn.exception() is None:
                # Let through at the same moment: the next one goes instead.
                self.leave(turn.result())
            raise

    def leave(self, granted: Pass) -> None:
        """The request has ended, successfully or not."""
        if granted.connected:
            self._under_way[granted.lane] -= 1
        if self._waiting:
            self._advance()

    def succeeded(self, granted: Pass) -> None:
        """The request succeeded."""
        self._retries.succeeded(self._now(), repeat=granted.repeat)
        self._pauses.succeeded(granted.sent)
        if self._waiting:
            self._advance()

    def refused(self, granted: Pass, retry_after: float | None, *, rate_limited: bool = True) -> None:
        """The service asks all requests to wait.

        Args:
            granted: The pass of the request that was refused.
            retry_after: Seconds that the answer asks for; None if it names none.
            rate_limited: Whether it was refused for its rate (429), so that others must be using the same allowance.
        """
        now, before = self._now(), self._pauses.until
        if rate_limited and granted.sent >= before:
            self._window.refused(now)
        until = self._pauses.refused(now, granted.sent, retry_after)
        if until > max(now, before):
            self._emit(RequestsPaused(until - now))

    def repeated_by_itself(self, lane: Lane) -> None:
        """Count a request that aiohttp sent again without passing here."""
        self._window.record(self._now(), lane)

    def _grant(self, now: float, lane: Lane, *, repeat: bool, connected: bool) -> Pass:
        self._window.record(now, lane)
        if repeat:
            self._retries.take(now)
        if connected:
            self._under_way[lane] += 1
        return Pass(lane, repeat, connected, now)

    def _delay(self, now: float, lane: Lane, *, repeat: bool, connected: bool) -> float:
        """Seconds until a request may be sent, 0 if it may now; infinity if another one must end first."""
        if now < self._pauses.until:
            return self._pauses.until - now
        under_way = sum(self._under_way)
        if self._pauses.is_probing and under_way:
            return float("inf")
        if connected and (under_way >= self._bounds[lane] or self._under_way[lane] >= self._bounds[lane]):
            return float("inf")
        delay = self._window.delay(now, lane)
        return max(delay, self._retries.delay(now)) if repeat else delay

    def _advance(self) -> None:
        """Let all requests through whose turn it is, and set the timer for the next one."""
        self._disarm()
        now = self._now()
        soonest = float("inf")
        for lane in LANES:
            while self._waiting and (line := self._next_line(now, lane)) is not None:
                waiter = line.first()
                assert waiter is not None  # noqa: S101 - tells the type checker what `_next_line` found
                delay = self._delay(now, lane, repeat=waiter.repeat, connected=waiter.connected)
                if delay > 0:
                    soonest = min(soonest, delay)
                    break
                line.pop()
                self._waiting -= 1
                waiter.turn.set_result(self._grant(now, lane, repeat=waiter.repeat, connected=waiter.connected))
            if self._lines[lane, True].first() is not None:
                soonest = min(soonest, self._retries.delay(now) or float("inf"))
        if soonest < float("inf"):
            self._timer = asyncio.get_running_loop().call_at(now + max(soonest, SHORTEST_WAIT), self._advance)

    def _next_line(self, now: float, lane: Lane) -> _Line | None:
        """The line of a lane whose first request goes next; the repeats' one only if they have a token."""
        fresh, repeats = self._lines[lane, False], self._lines[lane, True]
        first, repeat = fresh.first(), repeats.first()
        if repeat is None or self._retries.delay(now) > 0:
            return fresh if first is not None else None
        return repeats if first is None or repeat < first else fresh

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

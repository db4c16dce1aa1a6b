"""A model of the service's allowance of requests, to judge the rules that clients keep to it by, in virtual time.

Each client has jobs for all its slots. A job takes a submission, then its time, then a request for its result; a poll
shows which jobs have ended. The service accepts 20,000 requests in any 300 s of the whole account and refuses the rest
with 429. Every 10 s somebody asks for a single thing, as an interactive user does.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean, quantiles
from typing import Protocol

from asyncscribe.policies.pauses import Pauses
from asyncscribe.policies.request_rate import HttpBudget, Lane, SlidingWindow

#: The service's.
ALLOWED, WINDOW = 20_000, 300.0
#: Seconds that a request takes.
ROUND_TRIP = 0.05
#: Seconds from one interactive request to the next.
INTERACTIVE = 10.0


class Rule(Protocol):
    """Says when requests may be sent."""

    def delay(self, now: float, lane: Lane) -> float:
        """Seconds until a request of this lane may be sent; 0 if it may now."""
        ...

    def record(self, now: float, lane: Lane) -> None:
        """A request is sent."""
        ...


class Bucket:
    """A token bucket: a small store for bursts, and what the allowance leaves after them as a steady rate."""

    def __init__(self, burst: float = 0.05, reserve: float = 0.5) -> None:
        self._capacity = ALLOWED * burst
        self._rate = (ALLOWED - self._capacity) / WINDOW
        self._reserve = reserve * self._capacity
        self._tokens, self._at = self._capacity, 0.0

    def delay(self, now: float, lane: Lane) -> float:
        """Polls leave half the store to the others."""
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wanted = 1 + (self._reserve if lane is Lane.POLLS else 0.0)
        return max(0.0, (wanted - self._tokens) / self._rate)

    def record(self, now: float, lane: Lane) -> None:
        """A token is gone."""
        self.delay(now, lane)
        self._tokens -= 1


class EvenSpread(SlidingWindow):
    """Half of the window at once; from then on only as fast as will never have to stop."""

    def delay(self, now: float, lane: Lane) -> float:
        """What is left, and what leaves the window meanwhile, spread over the rest of it."""
        used = self.used(now)
        if used < ALLOWED / 2:
            return 0.0
        if now >= self._even_until:
            left, self._slowest = self.budget.share(lane) - used, float("inf")
            for part, sent in self._parts:
                ahead = (part + 1) * self._part + self._kept - now
                self._slowest = min(self._slowest, left / max(ahead, 1e-6))
                left += sent
            self._even_until = now + self._part / 2
        return max(0.0, self._last + 1 / max(self._slowest, 1e-3) - now)

    _last = _even_until = 0.0
    _slowest = float("inf")

    def record(self, now: float, lane: Lane) -> None:
        """One more."""
        super().record(now, lane)
        self._last = now


RULES: dict[str, Callable[[], Rule]] = {
    "token bucket": Bucket,
    "even spread": lambda: EvenSpread(HttpBudget()),
    "sliding window": lambda: SlidingWindow(HttpBudget()),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is simulated. Times in seconds.

    Attributes:
        name: For the table.
        jobs: Jobs of each client; None for work without end.
        seconds: Duration of a job.
        slots: Jobs at once, of each client.
        clients: How many there are; none knows of the others.
        length: When the simulation ends.
        refuses: From when to when the service refuses everything, without saying how long.
    """

    name: str
    jobs: int | None
    seconds: float
    slots: int
    clients: int = 1
    length: float = 1_800.0
    refuses: tuple[float, float] = (0.0, 0.0)


LOADS = (
    Load("a burst: 2,000 jobs of 2 s on 200 slots", 2_000, 2.0, 200),
    Load("15,000 jobs of 0.2 s on 500 slots", 15_000, 0.2, 500),
    Load("jobs of 0.5 s without end on 100 slots", None, 0.5, 100),
    Load("the same, two clients", None, 0.5, 100, clients=2),
    Load("2,000 jobs of 2 s, all refused from 5 to 65 s", 2_000, 2.0, 200, refuses=(5.0, 65.0)),
)


@dataclass(slots=True)
class _Client:
    rule: Rule
    left: float
    pauses: Pauses = field(default_factory=Pauses)
    lanes: list[deque[tuple[str, float]]] = field(default_factory=lambda: [deque() for _ in Lane])
    ended: deque[float] = field(default_factory=deque)
    woken: float = float("inf")
    under_way: int = 0


class _Simulation:
    def __init__(self, load: Load, rule: Callable[[], Rule]) -> None:
        self._load = load
        self._now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._accepted: deque[float] = deque()
        self._clients = [_Client(rule(), float("inf") if load.jobs is None else load.jobs) for _ in range(load.clients)]
        self.done, self.refused, self.finished = 0, 0, 0.0
        self.lags: list[float] = []
        self.waits: list[float] = []

    def run(self) -> None:
        for client in self._clients:
            for _ in range(self._load.slots):
                self._submit(client)
            self._at(0.0, self._poll, client)
            self._at(INTERACTIVE, self._interact, client)
            self._at(0.0, self._send, client)
        while self._events and self._events[0][0] <= self._load.length:
            self._now, _, act, arguments = heapq.heappop(self._events)
            act(*arguments)
            if self._load.jobs is not None and self.done == self._load.jobs * self._load.clients:
                return

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._events, (when, next(self._order), act, arguments))

    def _submit(self, client: _Client) -> None:
        if client.left > 0:
            client.left -= 1
            client.lanes[Lane.SUBMISSIONS].append(("submit", self._now))

    def _poll(self, client: _Client) -> None:
        if not client.lanes[Lane.POLLS]:
            client.lanes[Lane.POLLS].append(("poll", self._now))
            self._send(client)
        self._at(self._now + 0.5, self._poll, client)

    def _interact(self, client: _Client) -> None:
        client.lanes[Lane.RESULTS].appendleft(("interactive", self._now))
        self._send(client)
        self._at(self._now + INTERACTIVE, self._interact, client)

    def _wake(self, client: _Client) -> None:
        client.woken = float("inf")
        self._send(client)

    def _send(self, client: _Client) -> None:
        soonest = float("inf")
        for lane in Lane:
            queue = client.lanes[lane]
            while queue:
                delay = max(client.pauses.until - self._now, client.rule.delay(self._now, lane))
                if client.pauses.is_probing and client.under_way and delay <= 0:
                    break
                if delay > 0:
                    soonest = min(soonest, self._now + max(delay, 1e-3))
                    break
                client.rule.record(self._now, lane)
                client.under_way += 1
                self._at(self._now + ROUND_TRIP, self._answer, client, lane, *queue.popleft(), self._now)
        if soonest < client.woken - 1e-3:
            client.woken = soonest
            self._at(soonest, self._wake, client)

    def _answer(self, client: _Client, lane: Lane, kind: str, since: float, sent: float) -> None:
        client.under_way -= 1
        now = self._now
        while self._accepted and self._accepted[0] <= now - WINDOW:
            self._accepted.popleft()
        begin, end = self._load.refuses
        if begin <= now < end or len(self._accepted) >= ALLOWED:
            self.refused += 1
            told = None if begin <= now < end else float(math.ceil(self._accepted[0] + WINDOW - now))
            if isinstance(client.rule, SlidingWindow) and sent >= client.pauses.until:
                client.rule.refused(now)
            client.pauses.refused(now, sent, told)
            client.lanes[lane].appendleft((kind, since))
        else:
            self._accepted.append(now)
            client.pauses.succeeded(sent)
            self._accept(client, kind, since)
        self._send(client)

    def _accept(self, client: _Client, kind: str, since: float) -> None:
        now = self._now
        if kind == "submit":
            client.ended.append(now + self._load.seconds)
        elif kind == "interactive":
            self.waits.append(now - since)
        elif kind == "result":
            self.done += 1
            self.finished = now
            self.lags.append(now - since)
            self._submit(client)
        else:
            while client.ended and client.ended[0] <= now:
                client.lanes[Lane.RESULTS].append(("result", client.ended.popleft()))


def compare() -> list[dict[str, str | float]]:
    """Every rule under every load, as rows."""
    rows: list[dict[str, str | float]] = []
    for load in LOADS:
        for name, rule in RULES.items():
            simulation = _Simulation(load, rule)
            simulation.run()
            lags, waits = simulation.lags, simulation.waits or [0.0]
            rows.append(
                {
                    "load": load.name,
                    "rule": name,
                    "jobs": simulation.done,
                    "seconds": round(simulation.finished, 1),
                    "mean lag": round(fmean(lags), 2),
                    "lag p99": round(quantiles(lags, n=100)[-1], 1),
                    "interactive, mean": round(fmean(waits), 2),
                    "interactive, worst": round(max(waits), 1),
                    "answers 429": simulation.refused,
                }
            )
    return rows

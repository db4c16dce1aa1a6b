"""A model of the service's queue, to judge limits in virtual time: `python -m benchmarks.simulator [--quick]`.

The account has a number of slots that can change while it runs, and one queue for all clients, first come, first
served. Each client has work without end and a `Limit` of its own. It looks at its jobs every half second, at a phase of
its own; ends are noticed then, and the free slots are refilled at once. No sockets, no event loop: an hour of four
clients with 200 jobs in flight takes less than a second, and the same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import json
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.limits import Limit, Look, Others

#: Seconds between two looks of a client.
LOOK_INTERVAL = 0.5
#: Weight of the newest job in a client's running mean of durations.
NEWEST_WEIGHT = 0.05
#: Most jobs that wait for a slot in a client: work without end, but a bounded pipeline.
WAITING = 1_000

LimitFactory = Callable[[], Limit]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A client that never adapts.

    Attributes:
        held: Jobs that it keeps in flight.
        start: When it comes, seconds.
        leave: When it submits its last job, seconds; the jobs in flight still run to their end.
    """

    held: int = 600
    start: float = 200.0
    leave: float = 800.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. All times in seconds of virtual time.

    Attributes:
        name: For the table.
        slots: The account's limit as steps `(from when, slots)`, the first at 0.
        clients: How many adapt.
        spacing: Time from one client's start to the next one's.
        account_view: Whether the clients see one another's jobs; else `Look.others` is None.
        mean: Mean duration of a job.
        sigma: Of the lognormal durations; 0.5 is a usual mix of audio lengths, 1 and more have heavy tails.
        lag: How much later than at the next look an end is noticed.
        shown_queued: How long a job that runs is still shown as `queued`.
        guess: The clients believe in `guess * mean` as the mean duration instead of measuring it; None measures.
        neighbour: A client that never adapts.
        warmup: From when on the steady state is measured.
        length: When the simulation ends.
    """

    name: str
    slots: tuple[tuple[float, int], ...] = ((0.0, 200),)
    clients: int = 1
    spacing: float = 0.0
    account_view: bool = True
    mean: float = 20.0
    sigma: float = 0.5
    lag: float = 0.0
    shown_queued: float = 0.0
    guess: float | None = None
    neighbour: Neighbour | None = None
    warmup: float = 300.0
    length: float = 1_500.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One client at one full second.

    Attributes:
        limit: What its limit was.
        running: Jobs in slots of the account.
        queued: Jobs in the service's queue.
    """

    limit: int
    running: int
    queued: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened, second by second.

    Attributes:
        busy: Mean share of the account's slots in use, at most 1.
        queue: Mean number of jobs in the service's queue.
        clients: Of each client that adapts, a sample per second.
        neighbour: The same of the one that doesn't; empty where there is none.
    """

    busy: Sequence[float]
    queue: Sequence[float]
    clients: Sequence[Sequence[Sample]]
    neighbour: Sequence[Sample] = ()

    def mean_busy(self, start: float, end: float) -> float:
        """Share of the slots in use between two times."""
        return fmean(self.busy[int(start) : int(end)])

    def mean_queue(self, start: float, end: float) -> float:
        """Jobs in the service's queue between two times."""
        return fmean(self.queue[int(start) : int(end)])

    def shares(self, start: float, end: float) -> list[float]:
        """Each client's mean number of running jobs between two times."""
        return [fmean(sample.running for sample in samples[int(start) : int(end)]) for samples in self.clients]

    def fairness(self, start: float, end: float) -> float:
        """Jain's index of the shares: 1 for equal ones, 1/n when one of n clients has all."""
        shares = self.shares(start, end)
        squares = sum(share * share for share in shares)
        return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0

    def until_busy(self, step: float, share: float, end: float) -> float:
        """Seconds from a step until that share of the slots was in use for a second; infinity if it never was."""
        seconds = range(int(step), int(end))
        return next((second + 1 - step for second in seconds if self.busy[second] >= share), math.inf)

    def until_queue(self, step: float, jobs: float, end: float, window: int = 10) -> float:
        """Seconds from a step until the queue's mean over `window` seconds to come is at most `jobs`.

        Counts from the last time that it was above for that long; infinity if it stays so.
        """
        seconds = range(int(end) - window - 1, int(step) - 1, -1)
        last = next((second for second in seconds if fmean(self.queue[second : second + window]) > 2 * jobs), None)
        return 0.0 if last is None else last + window - step


@dataclass(slots=True)
class _Client:
    limit: Limit
    leave: float
    allowed: int
    running: int = 0
    queued: int = 0
    #: Submitted since the last look; being the newest in a queue in order, they are the last to start.
    fresh: int = 0
    duration: float | None = None
    #: Of jobs that ended unnoticed: when, and how long after their submission.
    ended: deque[tuple[float, float]] = field(default_factory=deque)
    #: When jobs that run will no longer be shown as queued.
    hidden: deque[float] = field(default_factory=deque)
    samples: list[Sample] = field(default_factory=list)

    def shown(self, now: float) -> tuple[int, int]:
        """Running and queued as the service shows them."""
        while self.hidden and self.hidden[0] <= now:
            self.hidden.popleft()
        hidden = min(len(self.hidden), self.running)
        return self.running - hidden, self.queued + hidden


class _Simulation:
    def __init__(self, scenario: Scenario, policy: LimitFactory, seed: int) -> None:
        self._scenario = scenario
        self._random = random.Random(seed)
        self._mu = math.log(scenario.mean) - scenario.sigma**2 / 2
        self._now = 0.0
        self._slots = scenario.slots[0][1]
        self._running = 0
        self._queue: deque[tuple[_Client, float]] = deque()
        self._order = count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        seconds = int(scenario.length) + 1
        self._busy, self._queued = [0.0] * seconds, [0.0] * seconds
        self._clients = [self._client(policy(), number * scenario.spacing) for number in range(scenario.clients)]
        self._all = list(self._clients)
        if (neighbour := scenario.neighbour) is not None:
            self._all.append(self._client(Fixed(neighbour.held), neighbour.start, neighbour.leave))
        for when, slots in scenario.slots[1:]:
            self._at(when, self._step, slots)
        self._at(1.0, self._sample)

    def run(self) -> Trace:
        events, length = self._events, self._scenario.length
        while events[0][0] <= length:
            when, _, act, arguments = heapq.heappop(events)
            self._advance(when)
            act(*arguments)
        seconds = int(length)
        samples = [client.samples for client in self._all]
        adapting = len(self._clients)
        neighbour = samples[adapting] if len(samples) > adapting else ()
        return Trace(self._busy[:seconds], self._queued[:seconds], samples[:adapting], neighbour)

    def _client(self, limit: Limit, start: float, leave: float = math.inf) -> _Client:
        client = _Client(limit, leave, limit.initial)
        self._at(start + LOOK_INTERVAL * self._random.random(), self._start, client)
        return client

    def _at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), act, arguments))

    def _advance(self, when: float) -> None:
        now = self._now
        busy, queued = min(1.0, self._running / self._slots), len(self._queue)
        while now < when:
            second = int(now)
            end = min(when, second + 1.0)
            self._busy[second] += busy * (end - now)
            self._queued[second] += queued * (end - now)
            now = end
        self._now = when

    def _step(self, slots: int) -> None:
        self._slots = slots
        self._fill()

    def _sample(self) -> None:
        for client in self._all:
            client.samples.append(Sample(client.allowed, client.running, client.queued))
        self._at(self._now + 1.0, self._sample)

    def _start(self, client: _Client) -> None:
        self._submit(client)
        self._at(self._now + LOOK_INTERVAL, self._look, client)

    def _look(self, client: _Client) -> None:
        now, scenario = self._now, self._scenario
        while client.ended and client.ended[0][0] + scenario.lag <= now:
            took = client.ended.popleft()[1]
            before = took if client.duration is None else client.duration
            client.duration = before + NEWEST_WEIGHT * (took - before)
        processing, queued = client.shown(now)
        aged = max(0, queued - client.fresh)
        duration = client.duration if scenario.guess is None else scenario.guess * scenario.mean
        wanted = 0 if now >= client.leave else WAITING
        client.allowed = client.limit.update(Look(now, processing, aged, wanted, self._others(client), duration))
        self._submit(client)
        self._at(now + LOOK_INTERVAL, self._look, client)

    def _others(self, client: _Client) -> Others | None:
        if not self._scenario.account_view:
            return None
        shown = [other.shown(self._now) for other in self._all if other is not client]
        return Others(sum(processing for processing, _ in shown), sum(queued for _, queued in shown))

    def _submit(self, client: _Client) -> None:
        held = client.running + client.queued + len(client.ended)
        client.fresh = max(0, client.allowed - held) if self._now < client.leave else 0
        self._queue.extend([(client, self._now)] * client.fresh)
        client.queued += client.fresh
        self._fill()

    def _fill(self) -> None:
        while self._queue and self._running < self._slots:
            client, submitted = self._queue.popleft()
            client.queued -= 1
            client.running += 1
            self._running += 1
            if self._scenario.shown_queued:
                client.hidden.append(self._now + self._scenario.shown_queued)
            took = self._random.lognormvariate(self._mu, self._scenario.sigma)
            self._at(self._now + took, self._end, client, submitted)

    def _end(self, client: _Client, submitted: float) -> None:
        client.running -= 1
        self._running -= 1
        client.ended.append((self._now, self._now - submitted))
        self._fill()


def simulate(scenario: Scenario, policy: LimitFactory = AdaptiveLimit, seed: int = 0) -> Trace:
    """Run a scenario; the same seed gives the same trace."""
    return _Simulation(scenario, policy, seed).run()


@dataclass(frozen=True, slots=True)
class Fixed:
    """A limit that ignores what it sees.

    Attributes:
        initial: The limit.
    """

    initial: int

    def update(self, look: Look) -> int:  # noqa: ARG002 - it never adapts
        """The same limit again."""
        return self.initial

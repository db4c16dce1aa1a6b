"""The account, its queue and its clients, event by event."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import Evidence, Limit, Others
from asyncscribe.policies.polling import PAGE, Pace
from benchmarks.peers_limits import Fixed
from benchmarks.simulator.scenarios import Scenario
from benchmarks.simulator.trace import Sample, Trace

#: How often a client looks at the list.
PACE = Pace(Backoff())
#: Weight of the newest job in a client's running mean of durations.
NEWEST_WEIGHT = 0.05
#: Jobs that wait for a slot in a client, which has work without end.
WAITING = 1_000

LimitFactory = Callable[[], Limit]


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
        self._at(start + self._random.random() / 2, self._start, client)
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
        self._at(self._now + self._gap(client), self._look, client)

    def _gap(self, client: _Client) -> float:
        """Seconds until a client looks again: a request for what is queued, and one for each 200 that run."""
        shown = (
            [other.shown(self._now) for other in self._all]
            if self._scenario.account_view
            else [client.shown(self._now)]
        )
        running = sum(processing for processing, _ in shown)
        requests = 1 if running + sum(queued for _, queued in shown) <= PAGE // 2 else 2 + running // PAGE
        duration = client.duration or self._scenario.mean
        return PACE.gap(max(1, client.running + client.queued), requests, duration, duration)

    def _look(self, client: _Client) -> None:
        now, scenario = self._now, self._scenario
        ended = 0
        while client.ended and client.ended[0][0] + scenario.lag <= now:
            ended += 1
            took = client.ended.popleft()[1]
            before = took if client.duration is None else client.duration
            client.duration = before + NEWEST_WEIGHT * (took - before)
        processing, queued = client.shown(now)
        aged = max(0, queued - client.fresh)
        duration = client.duration if scenario.guess is None else scenario.guess * scenario.mean
        wanted = 0 if now >= client.leave else WAITING
        evidence = Evidence(now, processing, aged, wanted, self._others(client), duration, ended)
        client.allowed = client.limit.update(evidence)
        self._submit(client)
        self._at(now + self._gap(client), self._look, client)

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

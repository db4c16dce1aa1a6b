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
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import Evidence, Limit, Others
from asyncscribe.policies.polling import PAGE, Pace
from benchmarks import allowance
from benchmarks.peers_limits import Fixed, OwnAimd, OwnCubic

#: How often a client looks at the list.
PACE = Pace(Backoff())
#: Weight of the newest job in a client's running mean of durations.
NEWEST_WEIGHT = 0.05
#: Jobs that wait for a slot in a client, which has work without end.
WAITING = 1_000
#: Seconds over which a measure is averaged to say that the account has settled.
SETTLED = 10
#: Seconds after a change of the account's limit by which it has to be found: 2.5 mean durations.
FOUND = 50.0
#: Seconds after a neighbour left by which its slots have to be in use, in equal shares: 5 mean durations.
REGAINED = 100.0

LimitFactory = Callable[[], Limit]
Row = dict[str, str | float]


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
        account_view: Whether the clients see one another's jobs; else `Evidence.others` is None.
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

    def settles(self, step: float, end: float, *, busy: float, queue: float) -> float:
        """Seconds from a step until the account is as it should be, infinity if it isn't by the end.

        That is the first second from which on the mean of ten seconds and the mean of all that is left until `end` have
        at least that share of the slots busy, and at most that many jobs in the queue.
        """
        for second in range(int(step), int(end) - SETTLED):
            periods = ((second, second + SETTLED), (second, end))
            if all(self.mean_busy(*period) >= busy and self.mean_queue(*period) <= queue for period in periods):
                return second - step
        return math.inf


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


FREE = ((0.0, 5),)
#: A step down and one up again, with time to settle before each.
STEPS = ((0.0, 200), (400.0, 40), (800.0, 200))

#: Durations of 20 s, a look each half second; the tests hold `AdaptiveLimit` to what is promised for these.
STEADY = (
    Scenario("1 client, limit 200"),
    Scenario("1 client, limit 5", slots=FREE),
    Scenario("4 clients, limit 200, 30 s apart", clients=4, spacing=30.0),
    Scenario("8 clients, limit 40", clients=8, slots=((0.0, 40),)),
    Scenario("1 client, own jobs only, limit 200", account_view=False),
    Scenario("4 clients, own jobs only, limit 200", clients=4, account_view=False),
)

#: Neither promised nor tuned for: how the policy bears what the model leaves out.
FURTHER = (
    Scenario("1 client, limit 1", slots=((0.0, 1),)),
    Scenario("1 client, limit 2,000", slots=((0.0, 2_000),), length=900.0),
    Scenario("4 clients, limit 2,000", clients=4, slots=((0.0, 2_000),), length=900.0),
    Scenario("2 clients, limit 200", clients=2),
    Scenario("16 clients, limit 200", clients=16),
    Scenario("1 client, own jobs only, limit 5", slots=FREE, account_view=False),
    Scenario("1 client, heavy tails (sigma 1.2)", sigma=1.2),
    Scenario("4 clients, heavy tails (sigma 1.2)", clients=4, sigma=1.2),
    Scenario("4 clients, jobs of 5 s", clients=4, mean=5.0),
    Scenario("4 clients, jobs of 100 s", clients=4, mean=100.0, warmup=1_500.0, length=4_000.0),
    Scenario("1 client, ends noticed 1 s later", lag=1.0),
    Scenario("4 clients, ends noticed 1 s later", clients=4, lag=1.0),
    Scenario("1 client, `queued` shown for 0.4 s", shown_queued=0.4),
    Scenario("4 clients, `queued` shown for 0.4 s", clients=4, shown_queued=0.4),
)

#: The limit falls and rises again; beside each, the longest mean queue that counts as settled.
STEPPED = (
    (Scenario("200 -> 40 -> 200, 1 client", slots=STEPS, length=1_200.0), 3.0),
    (Scenario("200 -> 40 -> 200, 4 clients", slots=STEPS, clients=4, length=1_200.0), 5.0),
)

#: Somebody who doesn't adapt comes after 200 s and leaves after 800 s.
BESIDE = (
    Scenario("600 jobs of a neighbour, 1 client", neighbour=Neighbour(), length=1_200.0),
    Scenario("600 jobs of a neighbour, 4 clients", clients=4, neighbour=Neighbour(), length=1_200.0),
)

PEERS: dict[str, LimitFactory] = {"adaptive": AdaptiveLimit, "AIMD": OwnAimd, "CUBIC": OwnCubic}


def wrongly_guessed() -> tuple[Scenario, ...]:
    """The steady scenarios with a mean duration that is believed to be a quarter and four times the true one."""
    return tuple(
        replace(scenario, name=f"{scenario.name}; duration guessed x{guess:g}", guess=guess)
        for guess in (0.25, 4.0)
        for scenario in STEADY
    )


def steady(scenario: Scenario, policy: LimitFactory, seeds: int) -> Row:
    """Means over the seeds from the end of the warm-up on."""
    traces = _traces(scenario, policy, seeds)
    return {"case": scenario.name, **_means(traces, scenario.warmup, scenario.length)}


def stepped(scenario: Scenario, queue: float, policy: LimitFactory, seeds: int) -> Row:
    """How long the steps take to be found, at worst; the means are those from 50 s after each step on."""
    traces = _traces(scenario, policy, seeds)
    (down, _), (up, _) = scenario.slots[1:]
    row: Row = {"case": scenario.name, **_means(traces, up + FOUND, scenario.length)}
    row["found down"] = max(trace.settles(down, up, busy=0.95, queue=queue) for trace in traces)
    row["found up"] = max(trace.settles(up, scenario.length, busy=0.95, queue=queue) for trace in traces)
    row["queue after the fall"] = round(fmean(trace.mean_queue(down + FOUND, up) for trace in traces), 2)
    return row


def beside(scenario: Scenario, neighbour: Neighbour, policy: LimitFactory, seeds: int) -> Row:
    """The slots kept beside the neighbour; the means are those from 100 to 200 s after it left."""
    traces = _traces(scenario, policy, seeds)
    row: Row = {"case": scenario.name, **_means(traces, neighbour.leave + REGAINED, neighbour.leave + 2 * REGAINED)}
    kept = (sum(trace.shares(neighbour.start + REGAINED, neighbour.leave)) for trace in traces)
    row["slots beside it"] = round(fmean(kept), 1)
    return row


def _traces(scenario: Scenario, policy: LimitFactory, seeds: int) -> list[Trace]:
    return [simulate(scenario, policy, seed) for seed in range(seeds)]


def _means(traces: Sequence[Trace], start: float, end: float) -> Row:
    return {
        "busy": round(fmean(trace.mean_busy(start, end) for trace in traces), 4),
        "queue": round(fmean(trace.mean_queue(start, end) for trace in traces), 2),
        "jain": round(fmean(trace.fairness(start, end) for trace in traces), 4),
    }


def run(*, quick: bool = False) -> dict[str, Any]:
    """All scenarios with each policy, as rows of `cases`; `quick` takes fewer seeds."""
    seeds = 2 if quick else 8
    rows: list[Row] = []
    for name, policy in PEERS.items():
        more = (*FURTHER, *wrongly_guessed()) if policy is AdaptiveLimit else ()
        found = [steady(scenario, policy, seeds) for scenario in (*STEADY, *more)]
        found += [stepped(scenario, queue, policy, seeds) for scenario, queue in STEPPED]
        found += [beside(scenario, scenario.neighbour, policy, seeds) for scenario in BESIDE if scenario.neighbour]
        rows += [{"policy": name, **row} for row in found]
    return {"scenario": f"limits in a simulated account, {seeds} seeds", "cases": rows}


def series(seed: int = 0) -> list[dict[str, int]]:
    """Second by second and client by client, what four clients do when the limit falls and rises; for a plot."""
    trace = simulate(STEPPED[1][0], seed=seed)
    return [
        {
            "second": second + 1,
            "client": client,
            "limit": sample.limit,
            "running": sample.running,
            "queued": sample.queued,
        }
        for client, samples in enumerate(trace.clients)
        for second, sample in enumerate(samples)
    ]


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown; what a row doesn't have is left empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--series", type=Path, metavar="FILE", help="write the course of one run there, as CSV")
    arguments = parser.parse_args()
    if arguments.series:
        rows = series()
        with arguments.series.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    results = run(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"{results['scenario']}\n\n{table(results['cases'])}")
    print(f"\nrules for the allowance of requests\n\n{table(allowance.compare())}")


if __name__ == "__main__":
    main()

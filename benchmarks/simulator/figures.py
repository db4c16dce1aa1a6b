"""Scenarios are run with each policy, and become rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from asyncscribe.policies.adaptive import AdaptiveLimit
from benchmarks.peers_limits import OwnAimd, OwnCubic
from benchmarks.simulator.model import LimitFactory, simulate
from benchmarks.simulator.scenarios import BESIDE, FURTHER, STEADY, STEPPED, Neighbour, Scenario, wrongly_guessed
from benchmarks.simulator.trace import Trace

#: Seconds after a change of the account's limit by which it has to be found: 2.5 mean durations.
FOUND = 50.0
#: Seconds after a neighbour left by which its slots have to be in use, in equal shares: 5 mean durations.
REGAINED = 100.0

Row = dict[str, str | float]

PEERS: dict[str, LimitFactory] = {"adaptive": AdaptiveLimit, "AIMD": OwnAimd, "CUBIC": OwnCubic}


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

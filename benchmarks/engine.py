"""Many jobs at once: what each peer makes of the same world, by the server's own truth."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.peers import PEERS, Peer, Report, Task, changed
from benchmarks.world import Truth, World, running

OURS = "asyncscribe"
#: A peer that takes so many times the ideal, and this many seconds more, is given up.
GIVEN_UP = (3.0, 30.0)
#: The same for worlds that last a few seconds.
GIVEN_UP_SOON = (3.0, 4.0)
#: Seconds of a small world.
SMALL = 10.0
#: More requests than any client sends.
UNLIMITED = (10_000_000, 300.0)


def measure(world: World, peer: str, **told: Any) -> dict[str, Any]:
    """Let one peer work through a world and return its figures.

    Args:
        world: The world.
        peer: Its name in `PEERS`.
        told: Fields of `Task`.
    """
    with running(world) as server:
        server.begin()
        begun = time.monotonic()
        told = {"rate_limit": world.rate_limit, "hurried": world.fault_rate > 0, **told}
        task = Task(server.base_url, world.urls(), world.limit, **told)
        factor, more = GIVEN_UP_SOON if world.ideal() < SMALL and world.outage is None else GIVEN_UP
        row: dict[str, Any] = {"peer": peer, "changed": changed(peer, task)}
        try:
            report = Peer(peer, task).report(factor * world.ideal() + more + sum(world.outage or ()))
        except (TimeoutError, EOFError) as error:
            return {**row, "problem": str(error) or "it broke down"}
        row = {**row, **figures(world, report, server.truth())}
        if world.outage is not None:
            row["seconds_after_recovery"] = round(report.ended - begun - sum(world.outage), 1)
        return row


def figures(world: World, report: Report, truth: Truth) -> dict[str, Any]:
    """What a run cost and what came of it."""
    completed = [job for job in truth.jobs if job.status == "completed"]
    paid = Counter(job.url for job in completed)
    durations = dict(zip(world.urls(), world.durations(), strict=True))
    ended = {job.url: job.ended for job in completed if job.ended is not None}
    lags = [(seen - ended[url]) / durations[url] for url, seen in report.seen.items() if url in ended]
    requests = sum(truth.requests.values())
    return {
        "makespan_over_ideal": round((report.ended - report.began) / world.ideal(), 3),
        "requests_per_job": round(requests / world.jobs, 2),
        "cpu_ms_per_job": round(1000 * report.cpu / world.jobs, 2),
        "peak_mib": round(report.peak / 2**20, 1),
        "median_lag_percent": round(100 * statistics.median(lags), 1) if lags else None,
        "lost": world.jobs - len(report.seen),
        "paid_twice": sum(count > 1 for count in paid.values()),
        "answers_429_percent": round(100 * truth.rate_limited / max(1, requests), 2),
        "problem": report.problem,
    }


def compare(world: World, peers: Sequence[str] = tuple(PEERS)) -> list[dict[str, Any]]:
    """All peers in one world, one after the other."""
    return [measure(world, peer) for peer in peers]


def throughput(*, quick: bool) -> list[dict[str, Any]]:
    """2,000 jobs of 2 s on 200 slots: means over three seeds, as the ideal's last seconds are a matter of luck."""
    world = World(jobs=200, mean=0.5, limit=50) if quick else World(jobs=2000, mean=2, limit=200)
    rows = []
    for peer in PEERS:
        runs: list[dict[str, Any]] = []
        for seed in range(1 if quick else 3):
            runs.append(measure(replace(world, seed=seed), peer))
            if runs[-1]["problem"]:
                break
        rows.append({**runs[-1], **_means(runs), "runs": len(runs)})
    return rows


def _means(runs: list[dict[str, Any]]) -> dict[str, float]:
    names = ("makespan_over_ideal", "requests_per_job", "cpu_ms_per_job", "peak_mib", "median_lag_percent")
    return {n: round(statistics.mean(r[n] for r in runs), 3) for n in names if all(r.get(n) is not None for r in runs)}


def concurrency(*, quick: bool) -> list[dict[str, Any]]:
    """The way the makespan depends on the account's limit, which we are not told."""
    limits = (5, 50) if quick else (5, 20, 50, 100, 200)
    mean = 0.3 if quick else 2
    return [
        {"limit": limit, **measure(World(jobs=10 * limit, mean=mean, limit=limit), peer)}
        for limit in limits
        for peer in ((OURS,) if quick else tuple(PEERS))
    ]


def many(*, quick: bool) -> list[dict[str, Any]]:
    """CPU and memory against the number of jobs, the allowance lifted; the largest number for us alone."""
    counts = (500, 1000) if quick else (2000, 20_000, 100_000)
    rows = [
        {"jobs": jobs, **measure(World(jobs=jobs, mean=0.5, limit=200), peer, **_lifted(peer))}
        for jobs in counts
        for peer in (
            (OURS,) if quick or jobs == counts[-1] else ("asyncscribe", "aiohttp + semaphore", "SDK in threads")
        )
    ]
    short = World(jobs=1000, mean=0.2, limit=100) if quick else World(jobs=20_000, mean=0.2, limit=500)
    return [*rows, {"jobs": short.jobs, **measure(short, OURS, **_lifted(OURS))}]


def _lifted(peer: str) -> dict[str, Any]:
    return {"rate_limit": UNLIMITED} if peer == OURS else {}


def rate_limit(*, quick: bool) -> list[dict[str, Any]]:
    """Fewer HTTP requests allowed than plain polling takes."""
    return compare(World(jobs=600, mean=6, limit=200, rate_limit=(200, 1) if quick else (3000, 20)))


def window(*, quick: bool) -> list[dict[str, Any]]:
    """The allowance binds: three times as many requests are needed as a window holds."""
    world = World(jobs=600, mean=0.5, limit=100, rate_limit=(400, 4))
    return compare(world if quick else replace(world, jobs=3_000, limit=200, rate_limit=(2_000, 20)))


def recovery(*, quick: bool) -> list[dict[str, Any]]:
    """An outage soon after the start: when the last result comes after the service is back."""
    length = 4.0 if quick else 40.0
    world = World(jobs=100 if quick else 400, mean=2.0, limit=100 if quick else 400, outage=(3.0, length))
    return [measure(world, peer, paced=False) for peer in PEERS]


def storm(*, quick: bool) -> list[dict[str, Any]]:
    """5% of each of four faults, twice as many lost submissions."""
    return compare(World(jobs=100 if quick else 500, mean=1, limit=50, fault_rate=0.05))


def blind(*, quick: bool) -> list[dict[str, Any]]:
    """The list refused and the allowance binding: what 2,000 watched jobs cost, as a share of a core."""
    jobs = 200 if quick else 2000
    world = World(jobs=jobs, mean=10 if quick else 60, limit=jobs, list_refused=True)
    row = measure(world, OURS, paced=False)
    row["core_percent"] = round(row["cpu_ms_per_job"] * jobs / (10 * row["makespan_over_ideal"] * world.ideal()), 1)
    return [row]


def neighbour(*, quick: bool) -> dict[str, Any]:
    """A script with 300 jobs in flight on 100 slots, until its last one begins: our slots beside it, and after it."""
    ramp, leaves, after = (8.0, 12.0, 8.0) if quick else (20.0, 120.0, 20.0)
    mean = 0.5 if quick else 2.0
    theirs = World(jobs=int(leaves * 100 / mean), mean=mean, limit=100)
    ours = World(jobs=int(after * 100 / mean), mean=mean, limit=100, seed=1)
    with running(ours) as server:
        server.begin()
        script = Peer("aiohttp + semaphore", Task(server.base_url, theirs.urls("theirs"), 300))
        client = Peer(OURS, Task(server.base_url, ours.urls("ours"), 100))
        reports = [script.report(600), client.report(600)]
        truth = server.truth()
    gone = max(job.started for job in truth.jobs if job.url.startswith("http://theirs.") and job.started is not None)
    began = reports[1].began
    beside = [_running(truth, began + n / 5, "http://ours.") for n in range(int(5 * ramp), int(5 * (gone - began)))]
    regained = next(n for n in range(300) if _running(truth, gone + n / 5, "http://ours.") >= 90)
    return {
        f"slots_beside_it_after_{ramp:g}_s": round(statistics.mean(beside), 1),
        "seconds_to_90_slots": regained / 5,
        "changed": changed(OURS, Task(server.base_url, [], 100)),
    }


def faults(*, quick: bool) -> list[dict[str, Any]]:
    """A bad network and a bad service: jobs lost and jobs paid twice, over several seeds."""
    base = World(jobs=100 if quick else 500, mean=0.3 if quick else 1, limit=50, fault_rate=0.01)
    worlds = {
        "no faults": replace(base, fault_rate=0),
        "1% faults": base,
        "2% faults": replace(base, fault_rate=0.02),
        "and 4% late": replace(base, late=0.04),
        "and a list that lags 1 s": replace(base, late=0.04, list_lag=1.0),
    }
    if quick:
        worlds = dict(list(worlds.items())[-1:])
    results = []
    for name, world in worlds.items():
        for peer in PEERS:
            seeds = range(1 if quick or peer != OURS else 20)
            runs = [measure(replace(world, seed=seed), peer) for seed in seeds]
            done = [run for run in runs if "lost" in run]
            results.append(
                {
                    "world": name,
                    "peer": peer,
                    "runs": len(runs),
                    "jobs": world.jobs * len(runs),
                    "lost": sum(run["lost"] for run in done) + world.jobs * (len(runs) - len(done)),
                    "paid_twice": sum(run["paid_twice"] for run in done),
                    "problem": next((run["problem"] for run in runs if run["problem"]), None),
                }
            )
    return results


def steps(*, quick: bool) -> dict[str, Any]:
    """The account's limit falls to a fifth and rises again: what is in flight, and our limit, over time."""
    length, mean = (2.5, 0.5) if quick else (20.0, 2.0)
    world = World(jobs=int(90 * length / mean), mean=mean, limit=50, steps=((length, 10), (2 * length, 50)))
    with running(world) as server:
        server.begin()
        report = Peer(OURS, Task(server.base_url, world.urls(), world.limit)).report(600)
        truth = server.truth()
    moments = [report.began + n / 5 for n in range(int(5 * (report.ended - report.began)))]
    return {
        "steps": world.steps,
        "limit": world.limit,
        "seconds": [round(moment - report.began, 2) for moment in moments],
        "running": [_running(truth, moment) for moment in moments],
        "in_flight": [
            sum(job.taken <= moment < (job.ended or float("inf")) for job in truth.jobs) for moment in moments
        ],
        "our_limit": [(round(moment - report.began, 2), limit) for moment, limit in report.limits],
    }


def shares(*, quick: bool) -> dict[str, Any]:
    """Four of our processes on one account."""
    names = [f"process{number}" for number in range(1, 5)]
    world = World(jobs=60, mean=0.5, limit=40) if quick else World(jobs=300, mean=2, limit=40)
    with running(world) as server:
        peers = [Peer(OURS, Task(server.base_url, world.urls(name), world.limit)) for name in names]
        reports = [peer.report(600) for peer in peers]
        truth = server.truth()
    began, ended = max(report.began for report in reports), min(report.ended for report in reports)
    moments = [began + n / 5 for n in range(int(5 * (ended - began)))]
    series = {name: [_running(truth, moment, f"http://{name}.") for moment in moments] for name in names}
    means = [statistics.mean(counts[len(counts) // 4 :]) for counts in series.values()]
    jain = sum(means) ** 2 / (len(means) * sum(mean**2 for mean in means))
    return {"seconds": [round(m - began, 2) for m in moments], "running": series, "jain": round(jain, 3)}


def _running(truth: Truth, moment: float, prefix: str = "") -> int:
    return sum(
        job.started is not None and job.started <= moment < (job.ended or float("inf")) and job.url.startswith(prefix)
        for job in truth.jobs
    )

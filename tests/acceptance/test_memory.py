"""Memory is bounded by what is in flight. The client runs alone in a process, against a server in another."""

import json
import os
import subprocess
import sys

import pytest

from tests.support import KEY, plain_environment

pytestmark = pytest.mark.long

MEBIBYTE = 1024 * 1024

MANY = """
import asyncio, json, sys, psutil
from asyncscribe import AsyncClient, Backoff, HttpBudget

async def main(url, count):
    resident, quick = [], Backoff(initial=0.005, factor=2, maximum=0.1, jitter=0)
    taken = 0
    def sources():
        nonlocal taken
        for taken in range(count):
            yield f"http://recordings.test/{taken}.mp3?seconds=0&duration=20"
    async with AsyncClient(sys.argv[2], url, concurrency=50, polling=quick, budget=HttpBudget(10**7)) as client:
        done, most_ahead = 0, 0
        async for outcome in client.transcribe_many(sources()):
            assert outcome.ok, outcome.error
            done += 1
            most_ahead = max(most_ahead, taken - done)
            if done % 500 == 0:
                resident.append(psutil.Process().memory_info().rss)
    print(json.dumps({"done": done, "ahead": most_ahead, "resident": resident}))

asyncio.run(main(sys.argv[1], int(sys.argv[3])))
"""

UPLOAD = """
import asyncio, json, re, sys
from pathlib import Path
from asyncscribe import AsyncClient

async def main(url, key, path):
    async with AsyncClient(key, url) as client:
        await client.upload(path)
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def address():
    arguments = ["serve", "--port", "0", "--engine", "simulated", "--limit", "50"]
    with subprocess.Popen(
        [sys.executable, "-m", "asyncscribe", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**plain_environment(), "ASSEMBLYAI_API_KEY": KEY},
    ) as process:
        yield process.stderr.readline().split()[2]
        process.terminate()
        process.communicate()


def run(code: str, *arguments: object):
    process = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=plain_environment(),
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.timeout(120)
def test_10_000_lazy_sources_take_no_more_memory_than_1_000(address):
    told = run(MANY, address, KEY, 10_000)
    assert told["done"] == 10_000
    assert told["ahead"] <= 50 + 2 * 4 + 1
    settled, end = told["resident"][1], max(told["resident"][2:])
    assert end - settled < 4 * MEBIBYTE


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is read from /proc")
def test_a_2_gib_upload_stays_below_64_mib(address, tmp_path):
    path = tmp_path / "large.wav"
    path.touch()
    os.truncate(path, 2 * 1024 * MEBIBYTE)
    assert run(UPLOAD, address, KEY, path) < 64 * MEBIBYTE

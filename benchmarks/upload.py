"""Uploading one large file: time against `curl -T` in turns, and the peak of resident memory.

The file is sparse (reading it costs memory copies and no disk) and the server throws everything away, so that what is
measured is the client.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.sink import sink

GIBIBYTE = 1024**3

#: Uploads one file in a process of its own and prints seconds and the peak of resident memory in KiB.
OURS = """
import asyncio, json, re, sys, time
from pathlib import Path
from asyncscribe import AsyncClient

async def main(path, url):
    async with AsyncClient("key", url) as client:
        begun = time.perf_counter()
        await client.upload(path)
        seconds = time.perf_counter() - begun
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    print(json.dumps([seconds, peak]))

asyncio.run(main(*sys.argv[1:]))
"""


def _ours(path: Path, url: str) -> tuple[float, float]:
    output = subprocess.run(
        [sys.executable, "-c", OURS, str(path), url], check=True, capture_output=True, text=True
    ).stdout
    seconds, kibibytes = json.loads(output)
    return seconds, kibibytes / 1024


def _curl(path: Path, url: str) -> float:
    begun = time.perf_counter()
    subprocess.run(
        ["curl", "--silent", "--fail", "--request", "POST", "--upload-file", str(path), f"{url}/v2/upload"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def run(*, gibibytes: float = 2.0, rounds: int = 5) -> dict[str, float | str]:
    """Measure and return the medians."""
    with tempfile.TemporaryDirectory() as folder, sink() as url:
        path = Path(folder) / "large.wav"
        path.touch()
        os.truncate(path, int(gibibytes * GIBIBYTE))
        has_curl = shutil.which("curl") is not None
        ours, curls = [], []
        _ours(path, url)  # warm-up
        for _ in range(rounds):
            ours.append(_ours(path, url))
            if has_curl:
                curls.append(_curl(path, url))
    seconds = [run[0] for run in ours]
    result: dict[str, float | str] = {
        "scenario": f"upload of {gibibytes:g} GiB, {rounds} rounds in turns",
        "asyncscribe_seconds": round(statistics.median(seconds), 3),
        "asyncscribe_gibibytes_per_second": round(gibibytes / statistics.median(seconds), 2),
        "asyncscribe_peak_rss_mebibytes": round(max(run[1] for run in ours), 1),
    }
    if curls:
        ratios = [mine / theirs for mine, theirs in zip(seconds, curls, strict=True)]
        result["curl_seconds"] = round(statistics.median(curls), 3)
        result["asyncscribe_time_over_curl"] = round(statistics.median(ratios), 3)
    return result

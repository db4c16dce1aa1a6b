"""`kill -9` at random moments, of a real process against a server that counts."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from asyncscribe.server import SimulatedEngine
from tests.cli.test_commands import Served
from tests.support import KEY, plain_environment, transcripts

pytestmark = pytest.mark.long

#: The default is a sample; the whole is `ASYNCSCRIBE_KILLS=200 ASYNCSCRIBE_FILES=300 pytest tests/batch/test_kills.py`.
KILLS = int(os.environ.get("ASYNCSCRIBE_KILLS", "8"))
FILES = int(os.environ.get("ASYNCSCRIBE_FILES", "60"))
UPLOADS = 4
SLOTS = 8
#: Seconds of a job: so many that the batch is not done before the last kill, if each run takes half a second.
SECONDS = 0.6 * KILLS * SLOTS / FILES

BATCH = """
import asyncio, sys
from asyncscribe import AsyncClient, Backoff, ResubmissionPolicy, SubmissionPolicy
from asyncscribe.batch import Batch

async def main(url, key, source, output):
    options = {
        "polling": Backoff(0.02, 1.5, 0.1, 0.1),
        "submission": SubmissionPolicy(lookups=(0.05, 0.1), quiet=0.3),
        "uploads": 4,
        "concurrency": 8,
    }
    print("ready", flush=True)
    async with AsyncClient(key, url, **options) as client, Batch(client, output) as batch:
        async for outcome in batch.run([source]):
            assert outcome.error is None, outcome.error

asyncio.run(main(*sys.argv[1:]))
"""


def recordings(folder):
    """Different files, of which every tenth is the same as the one before."""
    folder.mkdir()
    for number in range(FILES):
        content = number - 1 if number % 10 == 9 else number
        (folder / f"{number:03}.wav").write_bytes(content.to_bytes(4, "big") * 800)


@pytest.mark.timeout(60 + 3 * KILLS)
def test_after_kills_at_any_moment_everything_is_there_and_paid_once(tmp_path):
    recordings(tmp_path / "in")
    output = tmp_path / "out"
    rng = random.Random(7)
    kills = 0
    with Served(engine=SimulatedEngine(speed=SECONDS / 0.1), limit=SLOTS, api_key=KEY) as server:
        command = [sys.executable, "-c", BATCH, server.base_url, KEY, str(tmp_path / "in"), str(output)]
        while True:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=plain_environment()
            ) as process:
                process.stdout.readline()
                if kills < KILLS:
                    # The moments are spread over what one run takes, so that all steps of many items are met.
                    timer = threading.Timer(rng.uniform(0.02, 0.25), process.kill)
                    timer.start()
                _, errors = process.communicate()
                timer.cancel()
            for path in output.rglob("*.json"):
                json.loads(path.read_text())
            if process.returncode == 0 and len(transcripts(output)) == FILES:
                break
            assert process.returncode == -signal.SIGKILL, errors.decode()
            assert kills < KILLS
            kills += 1
        paid = Counter(record.audio_url for record in server.records if record.status == "completed")
        distinct = FILES - FILES // 10
        assert kills == KILLS
        assert len(server.records) == sum(paid.values()) == distinct
        assert server.requests["POST /v2/upload"] <= distinct + kills * UPLOADS
    assert transcripts(output) == [f"{number:03}.wav.json" for number in range(FILES)]
    ids = [json.loads((output / name).read_text())["id"] for name in transcripts(output)]
    assert len(set(ids)) == distinct
    assert not list(output.rglob(".asyncscribe-*"))

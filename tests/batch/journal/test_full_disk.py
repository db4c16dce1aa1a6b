"""A disk that is full: a small one of its own, where the tests may mount one."""

import errno
import subprocess
import sys

import pytest

from asyncscribe import JournalError
from asyncscribe.batch import Batch
from tests.support import recording, transcripts


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux":
        pytest.skip("a tmpfs is mounted, which is Linux's")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs can't be mounted: {mounted.stderr.decode().strip()}")
    yield place, lambda: subprocess.run(["mount", "-o", "remount,size=100m", place], check=True)
    subprocess.run(["umount", "-l", place], check=True)


async def test_a_full_disk_costs_nothing_that_was_paid(server, client, small_disk):
    place, enlarge = small_disk
    output = place / "out"
    sources = [recording(str(number), words=2000) for number in range(20)]
    errors = []
    try:
        async with Batch(client, output) as batch:
            errors.extend([outcome.error async for outcome in batch.run(sources) if outcome.error])
    except JournalError as error:
        errors.append(error)
    assert any(isinstance(e, JournalError) or getattr(e, "errno", None) == errno.ENOSPC for e in errors)
    assert not list(output.glob("*.json.*"))
    whole = transcripts(output)
    assert len(whole) < len(sources)
    paid = server.requests["POST /v2/transcript"]
    enlarge()
    async with Batch(client, output) as batch:
        assert [outcome.error async for outcome in batch.run(sources) if outcome.error] == []
    assert len(transcripts(output)) == len(sources)
    assert server.requests["POST /v2/transcript"] == len(sources) >= paid


async def test_a_full_disk_stops_the_batch(server, client, tmp_path, monkeypatch):
    async def full(name, transcript):
        raise OSError(errno.ENOSPC, "No space left on device")

    async with Batch(client, tmp_path / "out") as batch:
        monkeypatch.setattr(batch._outputs, "write", full)
        outcomes = [outcome async for outcome in batch.run([recording(str(number)) for number in range(50)])]
    assert batch.stopped
    assert len(outcomes) < 50
    assert "No space left" in str(outcomes[0].error)
    async with Batch(client, tmp_path / "out") as batch:
        assert [o.error async for o in batch.run([recording(str(n)) for n in range(50)]) if o.error] == []
    assert server.requests["POST /v2/transcript"] == 50

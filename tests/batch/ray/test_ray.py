"""Workers on a Ray cluster of two nodes, all on this machine: nothing is lost and nothing paid twice, whoever dies."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import tempfile
import wave
from pathlib import Path

import psutil
import pytest

from asyncscribe.server import LocalServer, SimulatedEngine
from tests.support import KEY, ROOT, plain_environment, transcripts

pytest.importorskip("ray", reason="Ray is not installed: make test-cluster installs it, and runs these tests")
pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

#: Recordings, no two alike.
COUNT = 30
WORKERS = 3
PATIENCE = 200.0
TETHER = "asyncscribe.batch.cluster.tether"
SECRET = "hook-secret-5c1e"


class Held(SimulatedEngine):
    """Ends a few jobs at once, and the others when they are released: the batch outlasts what is done to it."""

    def __init__(self) -> None:
        super().__init__(speed=0)
        self.released = asyncio.Event()
        self.free = 4

    async def transcribe(self, recording):
        self.free -= 1
        if self.free < 0:
            await self.released.wait()
        return await super().transcribe(recording)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with two processors each, in a folder that the tests can look into."""
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    options = {"num_cpus": 2, "object_store_memory": 80 << 20}
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    made = Cluster(initialize_head=True, head_node_args=options)
    made.folder = folder
    made.second = made.add_node(**options)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


class Place:
    """A batch, and the drivers that were started for it."""

    def __init__(self, dsn, server, folder, address) -> None:
        self.dsn, self.server, self.folder, self.address = dsn, server, folder, address
        self.output = folder.parent / "out"
        self.drivers = []

    async def start(self, *more, key=KEY, **options):
        command = [sys.executable, "-m", "asyncscribe", "batch", "in", "--output", "out", "--lease", "3", *more]
        driver = await asyncio.create_subprocess_exec(
            *(*command, "--ray", self.address, "--workers", str(WORKERS), "--json"),
            stdout=asyncio.subprocess.PIPE,
            cwd=self.folder.parent,
            env={
                **plain_environment(),
                "PYTHONPATH": str(ROOT),
                "ASYNCSCRIBE_JOURNAL": self.dsn,
                "ASSEMBLYAI_API_KEY": key,
                "ASSEMBLYAI_BASE_URL": self.server.base_url,
            },
            **options,
        )
        self.drivers.append(driver)
        return driver

    def workers(self):
        """Their processes."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if TETHER in line and str(self.output) in line and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    @property
    def done(self):
        return len(transcripts(self.output)) if self.output.exists() else 0

    async def until(self, condition) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                assert not self.drivers or self.drivers[-1].returncode in {None, 0, 130, -signal.SIGKILL}
                await asyncio.sleep(0.1)

    async def ends(self, driver):
        """Its exit code and the last object that it printed."""
        async with asyncio.timeout(PATIENCE):
            output, _ = await driver.communicate()
        lines = output.splitlines()
        return driver.returncode, json.loads(lines[-1]) if lines else None

    def check(self) -> None:
        """Nothing is lost, and nothing was paid twice: the service knows."""
        paid = [record for record in self.server.records if record.status != "error"]
        assert len(paid) == COUNT
        assert all(record.status == "completed" for record in paid)
        assert transcripts(self.output) == sorted(f"{number}.wav.json" for number in range(COUNT))


@pytest.fixture
async def place(dsn, tmp_path, cluster):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(COUNT):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 1_600, "NONE", ""))
            file.writeframes(bytes([number]) * 3_200)
    engine = Held()
    async with LocalServer(engine, limit=6, api_key=KEY) as server:
        made = Place(dsn, server, folder, cluster.address)
        made.released = engine.released
        yield made
        for driver in made.drivers:
            if driver.returncode is None:
                driver.kill()
                await driver.wait()
        # Whose task has gone ends by itself.
        await made.until(lambda: not made.workers())


def files_with(folder, text):
    """Files of a folder that hold a text."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if text.encode() in path.read_bytes()]


async def test_a_worker_a_node_and_the_driver_die_and_the_same_command_completes(place, cluster):
    driver = await place.start()
    await place.until(lambda: place.done >= 2 and len(place.workers()) == WORKERS)
    killed = place.workers()[0]
    killed.kill()
    # Another one takes its place.
    await place.until(lambda: len(place.workers()) == WORKERS and killed not in place.workers())
    cluster.remove_node(cluster.second, allow_graceful=False)
    # The other node has room for two.
    await place.until(lambda: len(place.workers()) == 2)
    assert place.done < COUNT
    driver.kill()
    await driver.wait()
    await place.until(lambda: not place.workers())
    assert place.done < COUNT
    again = await place.start()
    await place.until(place.workers)
    place.released.set()
    code, summary = await place.ends(again)
    assert (code, summary) == (0, {"type": "summary", "done": COUNT, "failed": 0, "left": 0, "stopped": False})
    place.check()


async def test_a_process_of_rays_is_killed_and_its_worker_ends_with_it(place):
    driver = await place.start()
    await place.until(lambda: place.done >= 2 and len(place.workers()) == WORKERS)
    worker = place.workers()[0]
    worker.parent().kill()
    await place.until(lambda: len(place.workers()) == WORKERS and worker not in place.workers())
    place.released.set()
    code, _ = await place.ends(driver)
    assert code == 0
    place.check()


async def test_an_interrupt_ends_the_workers_and_the_same_command_goes_on(place, cluster):
    config = place.folder.parent / "config.json"
    hook = {"webhook_url": "http://127.0.0.1:9/", "webhook_auth_header_name": "X", "webhook_auth_header_value": SECRET}
    config.write_text(json.dumps({"speaker_labels": True, **hook}))
    driver = await place.start("--config", str(config))
    await place.until(lambda: place.done >= 2)
    assert not any(KEY in part or SECRET in part for worker in place.workers() for part in worker.cmdline())
    driver.send_signal(signal.SIGINT)
    code, _ = await place.ends(driver)
    assert code == 130
    assert not place.workers()
    assert place.done < COUNT
    place.released.set()
    # Two drivers: there are twice as many workers, and there is the same work.
    both = [await place.start("--config", str(config)) for _ in range(2)]
    assert [(await place.ends(driver))[0] for driver in both] == [0, 0]
    place.check()
    assert all(record.document["speaker_labels"] for record in place.server.records)
    # Not in a log, and not in what Ray keeps of tasks.
    for secret in (KEY, SECRET, place.dsn.split("user=")[0].strip()):
        assert not files_with(cluster.folder, secret)


async def test_a_mistake_is_told_once_and_is_not_tried_again(place):
    driver = await place.start(key="ké", stderr=asyncio.subprocess.PIPE)
    _, errors = await driver.communicate()
    assert driver.returncode == 2
    assert b"the API key has characters" in errors
    driver = await place.start("--option", "extra=3", stderr=asyncio.subprocess.PIPE)
    assert (await place.ends(driver))[0] == 2
    # Without a key here, the workers look for their own.
    driver = await place.start(key="", stderr=asyncio.subprocess.PIPE)
    _, errors = await driver.communicate()
    assert driver.returncode == 2
    assert errors.decode().count("error:") == 1
    assert not place.server.records


async def test_what_fails_is_counted(place):
    (place.folder / "empty.wav").write_bytes(b"\0" * 40)
    (place.folder / "none.wav").touch()
    place.released.set()
    driver = await place.start(stderr=asyncio.subprocess.PIPE)
    output, errors = await driver.communicate()
    summary = json.loads(output.splitlines()[-1])
    assert driver.returncode == 1
    assert summary["done"] >= COUNT
    assert b"none.wav: is empty" in errors

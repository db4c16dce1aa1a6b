"""What holds when a worker dies or stands still at any moment: real processes, a real database, the service's truth."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import wave
from collections import Counter

import pytest

from asyncscribe.server import LocalServer, SimulatedEngine, faults
from tests.batch.cluster.worker import LEASE
from tests.batch.inputs.test_stores import bucket, put, s3  # noqa: F401 - fixtures
from tests.support import ROOT, transcripts

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

STEPS = ["uploaded", "submitting", "submitted", "completed"]
EFFECTS = ["gate:before", *(f"{step}:{when}" for step in STEPS for when in ("before", "after"))]
EFFECTS += ["post:before", "post:after"]
#: Recordings of which no two are alike.
COUNT = 4
PATIENCE = 60.0


class Worker:
    """A process, what it has said, and what it is told."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.process = process
        self.name = name
        self.lines: list[str] = []
        self._said = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            self._said.set()
            self._said = asyncio.Event()

    async def says(self, text: str) -> None:
        """Wait until it has said something."""
        async with asyncio.timeout(PATIENCE):
            while not any(text in line for line in self.lines):
                assert self.process.returncode is None, self.lines
                await self._said.wait()

    def send(self, number: int) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def ends(self) -> int:
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._reading)
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} has not ended: {self.lines}") from None


def record(path, number, seconds=0.1) -> None:
    """Sound that no other recording has."""
    frames = round(16_000 * seconds)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, frames, "NONE", ""))
        file.writeframes(bytes([number]) * 2 * frames)


@pytest.fixture
async def place(dsn, tmp_path):
    """A batch of a few recordings, a service, and whatever workers are started on it."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(COUNT):
        record(folder / f"{number}.wav", number)
    async with (
        LocalServer(SimulatedEngine(speed=2, default_duration=0.1), limit=2) as server,
        Place(dsn, server, folder) as made,
    ):
        yield made


class Place:
    def __init__(self, dsn, server, folder) -> None:
        self.dsn, self.server, self.folder = dsn, server, folder
        self.source = str(folder)
        self.output = folder.parent / "out"
        self.workers: list[Worker] = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        for worker in self.workers:
            worker.send(signal.SIGCONT)
            worker.send(signal.SIGKILL)
            await worker.ends()

    async def start(self, name: str, aim: str | None = None, **environment: str) -> Worker:
        more = {"AIM": aim} if aim else {}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.batch.cluster.worker",
            *(self.dsn, self.server.base_url, str(self.output), name, self.source),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **more, **environment},
        )
        self.workers.append(Worker(process, name))
        return self.workers[-1]

    def check(self, count: int = COUNT) -> None:
        """Nothing is lost, and nothing was paid twice: the service knows."""
        paid = [record for record in self.server.records if record.status != "error"]
        assert len(paid) == count, Counter(record.audio_url for record in paid)
        assert all(record.status == "completed" for record in paid)
        assert transcripts(self.output) == [f"{number}.wav.json" for number in range(count)]


@pytest.mark.parametrize("effect", EFFECTS)
async def test_who_dies_at_any_effect_is_followed_by_another(place, effect):
    first = await place.start("first", f"{effect}:kill")
    await first.says("at ")
    assert await first.ends() == -signal.SIGKILL
    second = await place.start("second")
    assert await second.ends() == 0
    place.check()


@pytest.mark.parametrize("effect", EFFECTS)
async def test_who_stands_still_for_longer_than_its_lease_pays_nothing_twice(place, effect):
    """It goes on in the middle of its step, when others have done its work."""
    first = await place.start("first", f"{effect}:stop")
    await first.says("at ")
    second = await place.start("second")
    assert await second.ends() == 0
    first.send(signal.SIGCONT)
    assert await first.ends() == 0
    place.check()


@pytest.mark.parametrize("effect", ["submitting:after:kill", "post:after:kill", "submitted:after:stop"])
async def test_a_store_is_worked_on_by_who_is_left(place, bucket, effect):  # noqa: F811
    """The one that listed it dies, or stands still."""
    store, address = bucket
    await put(store, **{f"calls/{number}.wav": bytes([number]) for number in range(COUNT)})
    place.source = f"{address}/calls"
    first = await place.start("first", effect)
    await first.says("at ")
    second = await place.start("second")
    assert await second.ends() == 0
    first.send(signal.SIGCONT)
    await first.ends()
    place.check()


@pytest.mark.parametrize("skew", ["600", "-600"])
async def test_clocks_ten_minutes_apart_hide_nothing(place, skew):
    place.server.faults.script("POST", "/v2/transcript", faults.Drop(faults.When.AFTER))
    first = await place.start("first", "post:after:kill", SKEW=skew)
    await first.says("at ")
    second = await place.start("second")
    assert await second.ends() == 0
    place.check()


async def test_a_late_post_and_a_lagging_list_are_paid_once(place):
    place.server.set_list_lag(0.4)
    place.server.faults.script("POST", "/v2/transcript", faults.Late(0.5))
    first = await place.start("first", "post:before:kill")
    await first.says("at ")
    second = await place.start("second")
    assert await second.ends() == 0
    place.check()


async def test_two_at_once_share_the_work_and_the_same_content_is_paid_once(place):
    record(place.folder / "copy.wav", 0)
    both = [await place.start(name) for name in ("first", "second")]
    assert [await worker.ends() for worker in both] == [0, 0]
    paid = [record for record in place.server.records if record.status == "completed"]
    assert len(paid) == COUNT
    assert transcripts(place.output) == [*(f"{number}.wav.json" for number in range(COUNT)), "copy.wav.json"]


async def test_the_last_one_dies_and_the_same_command_completes(place):
    first = await place.start("first", "submitted:after:kill")
    await first.says("at ")
    await first.ends()
    again = await place.start("first")
    assert await again.ends() == 0
    place.check()
    done = await place.start("first")
    assert await done.ends() == 0
    place.check()


async def test_one_cap_for_all_is_kept_with_kills_in_between(place):
    """Two of four fit. The one whose worker died may have been submitted, and counts again when it is."""
    for number in range(COUNT):
        record(place.folder / f"{number}.wav", number, seconds=1)
    hours = str(2.5 / 3600)
    first = await place.start("first", "submitting:after:kill", HOURS=hours)
    await first.says("at ")
    rest = [await place.start(f"worker {number}", HOURS=hours) for number in range(3)]
    assert {await worker.ends() for worker in rest} == {3}
    assert len([record for record in place.server.records if record.status == "completed"]) == 2


async def test_a_database_that_is_away_for_longer_than_the_lease_stops_all_posts(fragile, tmp_path):
    """What was asked for in between is not sent; the same process goes on as a new worker."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(COUNT):
        record(folder / f"{number}.wav", number)
    async with (
        LocalServer(SimulatedEngine(speed=2), limit=2) as server,
        Place(fragile.database(), server, folder) as place,
    ):
        first = await place.start("first", "gate:before:stop")
        await first.says("at ")
        await asyncio.to_thread(fragile.stop)
        # The lease passes: nothing else tells when.
        await asyncio.sleep(2 * LEASE)
        first.send(signal.SIGCONT)
        await asyncio.sleep(LEASE)
        assert not server.records
        await asyncio.to_thread(fragile.start)
        assert await first.ends() == 0
        place.check()

"""Every crash point, enumerated: each effect on the journal, the service and the output folder is numbered, and the
process is as good as dead from the k-th on, for every k. Whatever k is, the next run pays nothing twice and loses
nothing."""

import json
import os
import shutil
import time
from collections import Counter
from contextlib import suppress
from itertools import product

import pytest

from asyncscribe import AsyncscribeError, Backoff, ResubmissionPolicy, SubmissionPolicy
from asyncscribe.batch import Format
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.server import LocalServer, SimulatedEngine, faults
from tests.batch.crashing import Effects, run_batch
from tests.support import RETRY, open_client, recording

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long

WORLDS = {
    "": {},
    "lost answers, late submissions and a lagging list": {
        "script": [faults.Drop(faults.When.AFTER), faults.CutBody(), faults.Late(1.2)],
        "list_lag": 1.0,
        "clock_ahead": -3600.0,
    },
}

#: What is different when the batch is run again.
RERUNS = {
    "the same": {},
    "another format, another key, and a clock that was set back": {
        "formats": [Format.JSON, Format.SRT],
        "key": "rotated",
        "clock": -86_400,
    },
}
#: Every so many-th pair of crashes of two runs in a row is tried.
STRIDE = int(os.environ.get("ASYNCSCRIBE_CRASH_STRIDE", "397"))
#: The worlds and what is different in the next run, by their places; `ASYNCSCRIBE_CRASHES=all` tries every pair.
CASES = [(0, 0), (1, 1)] if os.environ.get("ASYNCSCRIBE_CRASHES") != "all" else product(range(2), range(2))


class World:
    """A small batch: a file, the same under another name, another file, two URLs, one of which fails at first."""

    def __init__(self, tmp_path, world):
        self.options = WORLDS[world]
        self.output = tmp_path / "out"
        files = {"a.wav": 1, "same.wav": 1, "b.wav": 2}
        for name, content in files.items():
            (tmp_path / name).write_bytes(bytes([content]) * 32_000)
        self.sources = [str(tmp_path / name) for name in files] + [
            recording("url", seconds=1),
            recording("failing", seconds=1, server_errors=1),
        ]

    def server(self):
        lag, ahead = self.options.get("list_lag", 0.0), self.options.get("clock_ahead", 0.0)
        server = LocalServer(SimulatedEngine(speed=1), limit=2, list_lag=lag, clock_ahead=ahead)
        server.faults.script("POST", "/v2/transcript", *self.options.get("script", ()))
        return server

    async def run(self, server, effects=None, *, key=None, clock=0, **batch):
        now = time.time
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(time, "time", lambda: now() + clock)
            return await self.run_now(server, effects, key, batch)

    async def run_now(self, server, effects, key, batch):
        options = {
            "concurrency": 2,
            "submission": SubmissionPolicy(lookups=(0.5, 2), quiet=5),
            "resubmission": ResubmissionPolicy(backoff=Backoff(0.1, 1, 0.1, 0)),
            "polling": Backoff(0.5, 1.5, 1, 0),
            "retry": RETRY,
        }
        async with open_client(server, key, **options) as client, SqliteJournal(self.output) as journal:
            return await run_batch(client, self.output, journal, self.sources, effects, **batch)

    def check(self, server):
        paid = [record for record in server.records if record.status == "completed"]
        assert len(paid) == 4, "a job was paid twice, or not at all"
        names = ["a.wav", "same.wav", "b.wav", "url.mp3", "failing.mp3"]
        ids = {name: json.loads((self.output / f"{name}.json").read_text())["id"] for name in names}
        assert set(ids.values()) == {record.id for record in paid}
        assert ids["a.wav"] == ids["same.wav"]
        assert Counter(ids.values()).most_common()[0][1] == 2
        assert not [path for path in self.output.iterdir() if path.name.startswith(".asyncscribe-")]


async def count_effects(tmp_path, world):
    effects = Effects(None)
    scene = World(tmp_path, world)
    async with scene.server() as server:
        outcomes = await scene.run(server, effects)
        assert [outcome.error for outcome in outcomes] == [None] * 5
        scene.check(server)
    return effects.count


@pytest.mark.looptime
@pytest.mark.parametrize(("world", "rerun"), [(list(WORLDS)[world], list(RERUNS)[rerun]) for world, rerun in CASES])
async def test_a_crash_at_any_effect_costs_nothing(nothing_left, tmp_path, world, rerun):
    (tmp_path / "whole").mkdir()
    effects = await count_effects(tmp_path / "whole", world)
    assert effects > 40
    for crash_at in range(1, effects + 1):
        place = tmp_path / str(crash_at)
        place.mkdir()
        scene = World(place, world)
        async with scene.server() as server:
            with suppress(AsyncscribeError):
                await scene.run(server, Effects(crash_at))
            outcomes = await scene.run(server, **RERUNS[rerun])
            assert [outcome.error for outcome in outcomes if outcome.error] == [], f"crash at {crash_at}"
            scene.check(server)


@pytest.mark.looptime
async def test_two_crashes_in_a_row_cost_nothing(nothing_left, tmp_path):
    world = list(WORLDS)[-1]
    (tmp_path / "whole").mkdir()
    effects = await count_effects(tmp_path / "whole", world)
    for number in range(0, effects * effects, STRIDE):
        first, second = number // effects + 1, number % effects + 1
        place = tmp_path / str(number)
        place.mkdir()
        scene = World(place, world)
        async with scene.server() as server:
            for crash_at in (first, second):
                with suppress(AsyncscribeError):
                    await scene.run(server, Effects(crash_at))
            outcomes = await scene.run(server)
            assert [outcome.error for outcome in outcomes if outcome.error] == [], f"crashes at {first}, {second}"
            scene.check(server)
        shutil.rmtree(place)

"""Every crash point, enumerated: each effect on the journal, the service and the output folder is numbered, and the
process is as good as dead from the k-th on, for every k. Whatever k is, the next run pays nothing twice and loses
nothing."""

import json
from collections import Counter
from contextlib import suppress

import pytest

from asyncscribe import AsyncscribeError, Backoff, ResubmissionPolicy, ServiceError, SubmissionPolicy
from asyncscribe.batch import Batch
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.server import LocalServer, SimulatedEngine, faults
from tests.support import KEY, RETRY, open_client, recording


class Crash(ServiceError):
    """What every effect raises once the process is dead. For the parts that are still alive in the test it looks like
    a request of which nothing more is known, so that each of them ends soon."""

    transient = False

    def __init__(self):
        super().__init__("any", "the process is dead")


class Effects:
    """Numbers the effects; from the k-th on none happens, or is heard of, any more."""

    def __init__(self, crash_at):
        self.crash_at = crash_at
        self.count = 0

    def pass_by(self):
        self.count += 1
        if self.crash_at is not None and self.count >= self.crash_at:
            raise Crash

    def around(self, function):
        async def call(*args, **options):
            self.pass_by()
            result = await function(*args, **options)
            self.pass_by()
            return result

        return call


class Crashing:
    """A journal whose writes are effects."""

    WRITES = frozenset(
        "assign uploaded submitting refused submitted completed failed begin_again limit timed problem".split()
    )

    def __init__(self, journal, effects):
        self._journal = journal
        self._effects = effects

    def __getattr__(self, name):
        method = getattr(self._journal, name)
        return self._effects.around(method) if name in self.WRITES else method


WORLDS = {
    "": {},
    "lost answers, late submissions and a lagging list": {
        "script": [faults.Drop(faults.When.AFTER), faults.CutBody(), faults.Late(1.2)],
        "list_lag": 1.0,
    },
}


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
        server = LocalServer(SimulatedEngine(speed=1), limit=2, api_key=KEY, list_lag=self.options.get("list_lag", 0.0))
        server.faults.script("POST", "/v2/transcript", *self.options.get("script", ()))
        return server

    async def run(self, server, effects=None):
        options = {
            "concurrency": 2,
            "submission": SubmissionPolicy(lookups=(0.5, 2), quiet=5),
            "resubmission": ResubmissionPolicy(backoff=Backoff(0.1, 1, 0.1, 0)),
            "polling": Backoff(0.5, 1.5, 1, 0),
            "retry": RETRY,
        }
        async with open_client(server, **options) as client, SqliteJournal(self.output) as journal:
            if effects is not None:
                client._transport.send = effects.around(client._transport.send)
                journal = Crashing(journal, effects)
            async with Batch(client, self.output, journal=journal) as batch:
                if effects is not None:
                    batch._outputs.write = effects.around(batch._outputs.write)
                return [outcome async for outcome in batch.run(self.sources)]

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
@pytest.mark.parametrize("world", WORLDS)
async def test_a_crash_at_any_effect_costs_nothing(nothing_left, tmp_path, world):
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
            outcomes = await scene.run(server)
            assert [outcome.error for outcome in outcomes if outcome.error] == [], f"crash at {crash_at}"
            scene.check(server)

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from asyncscribe.server import LocalServer
from tests.examples.running import DEADLINE, HeldEngine, started, until
from tests.support import KEY, recording

pytestmark = pytest.mark.long


@pytest.fixture
def engine():
    return HeldEngine()


@pytest.fixture
async def server(engine, nothing_left):
    async with LocalServer(engine, limit=2, api_key=KEY) as running:
        yield running


class Queue:
    """A worker's stdin and stdout."""

    def __init__(self, program) -> None:
        self.program = program

    def put(self, **item) -> None:
        self.put_line(json.dumps(item))

    def put_line(self, line) -> None:
        self.program.process.stdin.write(line.encode() + b"\n")

    async def result(self):
        async with asyncio.timeout(DEADLINE):
            return json.loads(await self.program.process.stdout.readline())

    async def rest(self):
        async with asyncio.timeout(DEADLINE):
            return [json.loads(line) async for line in self.program.process.stdout]


@asynccontextmanager
async def working(server, **environment):
    async with await started(server, "examples/worker/worker.py", CONCURRENCY="2", **environment) as program:
        yield Queue(program)


async def test_each_line_has_a_result_with_its_own_options(server):
    async with working(server) as queue:
        queue.put(source=recording("a", words=3), config={"language_code": "de"}, id=1)
        queue.put(source=recording("b", error="File%20does%20not%20appear%20to%20contain%20audio"), id=2)
        queue.put(source="missing.wav", id=3)
        queue.program.process.stdin.close()
        results = {result["item"]["id"]: result for result in await queue.rest()}
        assert await queue.program.ended() == 0
    assert results[1]["text"] == "this is a"
    assert "contain audio" in results[2]["error"]
    assert "no such file" in results[3]["error"]
    assert [record.document["language_code"] for record in server.records if "/a.mp3" in record.audio_url] == ["de"]
    assert results[1]["transcript_id"] in {record.id for record in server.records}


async def test_a_result_comes_while_stdin_stays_open(server):
    async with working(server) as queue:
        for number in range(3):
            queue.put(source=recording(str(number)), id=number)
            assert (await queue.result())["item"]["id"] == number


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"source": "a.wav", "timeout": "long"}', '{"source": "a.wav", "config": {"x": 1}}']
)
async def test_a_line_that_can_not_be_read_is_told_and_stops_nothing(server, line):
    async with working(server) as queue:
        queue.put_line(line)
        assert "error" in await queue.result()
        queue.put(source=recording())
        assert (await queue.result())["text"]


async def test_an_item_that_is_late_is_told_with_the_id_of_its_job(server):
    async with working(server) as queue:
        queue.put(source=recording("held"), timeout=0.5)
        result = await queue.result()
    assert result["transcript_id"] == server.records[0].id
    assert "not transcribed within 0.5 s" in result["error"]


async def test_a_sigterm_lets_end_what_runs_and_gives_back_what_was_not_begun(server):
    async with working(server, DRAIN_SECONDS="3") as queue:
        queue.put(source=recording("held"), id="slow")
        queue.put(source=recording("quick", seconds=1.5), id="quick")
        await until(lambda: len(server.records) == 2, "two jobs")
        for number in range(100):
            queue.put(source=recording(f"later-{number}"), id=number)
        await queue.program.process.stdin.drain()
        queue.program.terminate()
        results = {result["item"]["id"]: result for result in await queue.rest()}
        # Nothing else than SIGTERM ended it: its stdin is still open.
        assert await queue.program.ended() == 0
    slow, quick = server.records
    assert results["quick"]["text"]
    assert results["slow"]["transcript_id"] == slow.id
    assert f"goes on: {slow.id}\n" in queue.program.errors
    assert not any(quick.id in line for line in queue.program.errors)
    not_begun = [result for result in results.values() if "before it began" in result.get("error", "")]
    assert [result["item"]["id"] for result in not_begun if result.get("transcript_id")] == []
    assert len(not_begun) == 100
    assert len(server.records) == 2

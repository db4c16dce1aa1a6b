import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from asyncscribe.server import LocalServer
from tests.examples.running import HeldEngine, http_to, started, until
from tests.support import KEY

pytestmark = pytest.mark.long

AUDIO = b"\0" * 64_000


@pytest.fixture
def engine():
    return HeldEngine()


@pytest.fixture
async def server(engine, nothing_left):
    async with LocalServer(engine, limit=2, api_key=KEY) as running:
        yield running


@asynccontextmanager
async def serving(server, port, **environment):
    arguments = ["-u", "examples/aiohttp_service/service.py"]
    async with await started(server, *arguments, PORT=str(port), CONCURRENCY="2", **environment) as program:
        async with asyncio.timeout(15):
            while b"Running on" not in await program.process.stdout.readline():
                pass
        async with http_to(port) as http:
            yield program, http


@pytest.fixture
async def service(server, unused_tcp_port):
    async with serving(server, unused_tcp_port) as running:
        yield running


async def test_a_caller_gets_the_text_of_what_it_posts(service):
    _, http = service
    async with http.post("/", data=AUDIO) as response:
        assert (await response.json())["text"] == "this is a simulated transcript"
    async with http.post("/", data=b"") as response:
        assert response.status == 422
        assert "empty" in (await response.json())["error"]


async def test_a_job_is_answered_once_it_is_submitted_and_asked_for_later(service, server, engine):
    _, http = service
    engine.uploads = True
    async with http.post("/jobs", data=AUDIO) as response:
        assert response.status == 202
        url = response.headers["Location"]
    assert len(server.records) == 1
    engine.released.set()
    told = {}

    async def has_ended():
        async with http.get(url) as response:
            told.update(await response.json())
        return told["state"] == "completed"

    await until(has_ended, "the end of the job")
    assert told["text"] == "this is a simulated transcript"
    assert told["transcript_id"] == server.records[0].id
    async with http.get("/jobs/unheard-of") as response:
        assert response.status == 404


async def test_a_sender_that_leaves_in_the_middle_submits_nothing(service, server):
    _, http = service

    async def audio():
        yield AUDIO
        await until(lambda: server.requests["POST /v2/upload"], "the upload")
        raise ConnectionAbortedError

    for path in ["/", "/jobs"]:
        with pytest.raises((ConnectionAbortedError, aiohttp.ClientError)):
            await http.post(path, data=audio())
    async with http.post("/", data=AUDIO) as response:
        assert response.status == 200
    assert len(server.records) == 1


async def test_a_caller_that_leaves_while_it_waits_leaves_its_job_and_the_log_tells_the_id(service, server, engine):
    program, http = service
    engine.uploads = True
    waiting = asyncio.create_task(http.post("/", data=AUDIO))
    await until(lambda: server.records, "the submission")
    waiting.cancel()
    # Left before or after the answer to the submission was read: the id is told in either case.
    assert server.records[0].id in await program.says("will be paid for")


async def test_at_a_sigterm_what_runs_ends_or_its_id_is_told(server, engine, unused_tcp_port):
    engine.uploads = True
    async with serving(server, unused_tcp_port, DRAIN_SECONDS="1") as (program, http):
        waiting = asyncio.create_task(http.post("/", data=AUDIO))
        await until(lambda: server.records, "the submission")
        program.terminate()
        assert server.records[0].id in await program.says("picks it up")
        async with await waiting as response:
            assert response.status == 503
            assert (await response.json())["transcript_id"] == server.records[0].id
        assert await program.ended() == 0

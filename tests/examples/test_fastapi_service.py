import asyncio
import importlib
import json
import sys
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest

from asyncscribe.server import LocalServer, storage
from tests.examples.running import HeldEngine, http_to, started, until
from tests.support import EXAMPLES, KEY, recording

pytestmark = pytest.mark.long

MEBIBYTE = 1024 * 1024
SECRET = "s3cret-of-the-hook"
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
    arguments = ["-m", "uvicorn", "--app-dir", "examples/fastapi_service", "app:app", "--port", str(port)]
    environment = {"CONCURRENCY": "2", **environment}
    async with await started(server, *arguments, "--no-access-log", **environment) as program:
        await program.says("running on")
        async with http_to(port) as http:
            yield program, http


@pytest.fixture
async def service(server, unused_tcp_port):
    async with serving(server, unused_tcp_port) as running:
        yield running


@pytest.fixture
def http(service):
    return service[1]


async def post_url(http, name="a", **rules):
    async with http.post("/jobs/by-url", json={"url": recording(name, **rules)}) as response:
        assert response.status == 202
        told = await response.json()
    assert response.headers["Location"] == told["url"]
    return told["id"]


async def show(http, key):
    async with http.get(f"/jobs/{key}") as response:
        assert response.status == 200
        return await response.json()


async def ended(http, key):
    told = {}

    async def has_ended():
        told.update(await show(http, key))
        return told["state"] in {"completed", "failed", "abandoned"}

    await until(has_ended, "the end of a job")
    return told


async def at_service(http, server, count):
    await until(lambda: len(server.records) == count, "submissions")


async def health(http):
    async with http.get("/health") as response:
        return response.status, await response.json()


async def followed(http, key):
    """What a job's events told, in order."""
    async with http.get(f"/jobs/{key}/events") as response:
        assert response.content_type == "text/event-stream"
        lines = [line async for line in response.content]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]


async def test_an_address_is_answered_at_once_and_ends_with_all_words(http, server, engine):
    key = await post_url(http, "held", words=7)
    told = await show(http, key)
    assert told["state"] in {"created", "waiting", "submitting", "processing"}
    assert told["transcript"] is None
    engine.released.set()
    told = await ended(http, key)
    assert told["transcript_id"] == server.records[0].id
    assert len(told["transcript"]["words"]) == 7
    assert told["transcript"]["text"].startswith("this is")


async def test_a_body_is_streamed_and_the_answer_waits_for_its_upload_alone(http, server, engine):
    engine.uploads = True
    sending = asyncio.Event()

    async def audio():
        yield AUDIO
        await sending.wait()
        yield AUDIO

    posting = asyncio.create_task(http.post("/jobs", data=audio()))
    # The first half is at the API while the second is not even sent.
    await until(lambda: server.requests["POST /v2/upload"], "the upload")
    assert not posting.done()
    sending.set()
    async with await posting as response:
        assert response.status == 202
        key = (await response.json())["id"]
    engine.released.set()
    told = await ended(http, key)
    assert told["sent"] == 2 * len(AUDIO)
    assert told["transcript"]["audio_duration"] == 4


async def test_what_is_no_recording_is_refused(http, server):
    async with http.post("/jobs", data=b"") as response:
        assert response.status == 422
        assert "empty" in (await response.json())["error"]
    for url in ["/etc/passwd", "file:///etc/passwd"]:
        async with http.post("/jobs/by-url", json={"url": url}) as response:
            assert response.status == 422
    async with http.get("/jobs/unheard-of") as response:
        assert response.status == 404
    told = await ended(http, await post_url(http, error="Audio%20is%20broken"))
    assert told["state"] == "failed"
    assert "Audio is broken" in told["error"]
    assert server.requests["POST /v2/upload"] <= 1


async def test_events_tell_every_state_until_the_end(http, server, engine):
    key = await post_url(http, "held")
    following = asyncio.create_task(followed(http, key))
    await at_service(http, server, 1)
    engine.released.set()
    told = await following
    states = [status["state"] for status in told]
    assert states[-2:] == ["processing", "completed"]
    assert len(set(states)) == len(states)
    assert [status["state"] for status in await followed(http, key)] == ["completed"]


async def test_a_follower_that_leaves_ends_nothing_but_its_own_stream(http, server, engine):
    key = await post_url(http, "held")
    staying = asyncio.create_task(followed(http, key))
    async with http.get(f"/jobs/{key}/events") as response:
        await response.content.readline()
        assert (await health(http))[1]["followers"] == 2
        response.close()

    async def is_gone():
        return (await health(http))[1]["followers"] == 1

    await until(is_gone, "the end of the stream")
    engine.released.set()
    assert (await staying)[-1]["state"] == "completed"
    assert (await ended(http, key))["state"] == "completed"


async def test_a_sender_that_leaves_in_the_middle_submits_nothing(service, server):
    program, http = service

    async def audio():
        yield AUDIO
        await until(lambda: server.requests["POST /v2/upload"], "the upload")
        raise ConnectionAbortedError

    with pytest.raises((ConnectionAbortedError, aiohttp.ClientError)):
        await http.post("/jobs", data=audio())

    assert "POST /jobs: <async_generator>: reading the stream failed" in await program.says("ClientDisconnect")
    assert (await health(http))[1]["jobs"] == 0
    assert server.records == []
    assert (await ended(http, await post_url(http)))["state"] == "completed"
    assert len(server.records) == 1


async def test_a_caller_that_leaves_while_it_waits_leaves_its_job_and_the_log_tells_the_id(service, server, engine):
    program, http = service
    engine.uploads = True
    waiting = asyncio.create_task(http.post("/interactive", data=AUDIO))
    await at_service(http, server, 1)
    await until(lambda: server.records[0].status == "processing", "the job")
    waiting.cancel()
    assert server.records[0].id in await program.says("is left to the service")
    assert (await health(http))[1]["jobs"] == 0


async def test_who_waits_goes_before_20_bulk_jobs(http, server, engine):
    keys = [await post_url(http, f"held-{number}") for number in range(20)]
    await at_service(http, server, 2)
    waiting = asyncio.create_task(http.post("/interactive", data=AUDIO))

    async def all_wait():
        return (await health(http))[1]["client"]["jobs"]["waiting"] == 19

    await until(all_wait, "the interactive job among those that wait")
    engine.released.set()
    async with await waiting as response:
        assert response.status == 200
        told = await response.json()
    assert told["transcript"]["words"]
    assert server.records[2].id == told["transcript_id"]
    assert [(await ended(http, key))["state"] for key in keys] == ["completed"] * 20


async def test_who_waits_for_too_long_is_told_the_id(server, engine, unused_tcp_port):
    engine.uploads = True
    async with serving(server, unused_tcp_port, INTERACTIVE_SECONDS="1") as (_, http):
        async with http.post("/interactive", data=AUDIO) as response:
            assert response.status == 504
            assert (await response.json())["transcript_id"] == server.records[0].id


async def test_a_notification_ends_a_wait(server, engine, unused_tcp_port):
    """Without it, the first look would come after 30 s."""
    hook = {"HOOK_URL": f"http://127.0.0.1:{unused_tcp_port}/hook", "HOOK_SECRET": SECRET}
    async with serving(server, unused_tcp_port, **hook) as (_, http):
        key = await post_url(http, "held")
        await at_service(http, server, 1)

        async def is_known():
            return (await show(http, key))["state"] == "processing"

        await until(is_known, "the job's id")
        engine.released.set()
        assert (await ended(http, key))["state"] == "completed"
        async with http.post("/hook", json={"transcript_id": "x", "status": "completed"}) as response:
            assert response.status == 401


async def test_what_runs_at_a_sigterm_ends_or_goes_on_in_the_next_process(server, engine, unused_tcp_port, tmp_path):
    left = tmp_path / "left.jsonl"
    environment = {"LEFT_FILE": str(left), "DRAIN_SECONDS": "3"}
    async with serving(server, unused_tcp_port, **environment) as (program, http):
        slow = await post_url(http, "held-slow")
        quick = await post_url(http, "quick", seconds=2)
        await at_service(http, server, 2)
        waiting = await post_url(http, "waiting")
        following = asyncio.create_task(followed(http, quick))
        program.terminate()

        async def is_draining():
            return (await health(http))[0] == 503

        await until(is_draining, "the drain")
        async with http.post("/jobs", data=AUDIO) as response:
            assert response.status == 503
        assert (await following)[-1]["state"] == "completed"
        await program.ended()
    lines = {line["id"]: line for line in map(json.loads, left.read_text().splitlines())}
    assert lines.keys() == {slow, waiting}
    assert lines[slow]["transcript_id"] == server.records[0].id
    assert lines[waiting]["transcript_id"] is None
    assert len(server.records) == 2
    async with serving(server, unused_tcp_port, **environment) as (_, http):
        engine.released.set()
        told = await ended(http, slow)
        assert (told["state"], told["transcript_id"]) == ("completed", server.records[0].id)
        assert (await ended(http, waiting))["state"] == "completed"
    assert len(server.records) == 3
    assert not left.exists()


async def test_a_second_signal_ends_the_drain(server, engine, unused_tcp_port, tmp_path):
    left = tmp_path / "left.jsonl"
    async with serving(server, unused_tcp_port, LEFT_FILE=str(left), DRAIN_SECONDS="1000") as (program, http):
        key = await post_url(http, "held")
        await at_service(http, server, 1)
        program.terminate()

        async def is_draining():
            return (await health(http))[0] == 503

        await until(is_draining, "the drain")
        program.terminate()
        await program.ended()
    assert json.loads(left.read_text()) == {
        "id": key,
        "transcript_id": server.records[0].id,
        "audio_url": recording("held"),
    }


@pytest.fixture
def state(monkeypatch):
    """The module that keeps the jobs, in this process."""
    monkeypatch.syspath_prepend(EXAMPLES / "fastapi_service")
    yield importlib.import_module("jobs")
    del sys.modules["jobs"]


async def test_only_so_many_jobs_that_ended_are_remembered(client, state, monkeypatch):
    monkeypatch.setattr(state, "KEPT", 3)
    async with state.Jobs(client, None, None, drain=0) as jobs:
        keys = []
        for number in range(5):
            job = jobs.start(recording(str(number)))
            keys.append(job.request.metadata)
            await job.wait()
        assert [jobs.find(key) is not None for key in keys] == [False, False, True, True, True]
        assert len(jobs) == jobs.followers == 0


async def test_for_a_slow_follower_progress_does_not_pile_up(client, state):
    async def audio():
        for _ in range(100):
            yield AUDIO

    async with state.Jobs(client, None, None, drain=0) as jobs:
        job = jobs.start(audio())
        following = jobs.follow(job.request.metadata)
        assert (await anext(following)).state == "created"
        await job.wait()
        told = [(status.state, status.sent) async for status in following]
    assert told[0] == ("uploading", 100 * len(AUDIO))
    assert len(told) == len({state for state, _ in told})


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_1_gib_through_the_service_takes_no_more_than_64_mib(server, unused_tcp_port, monkeypatch):
    async def drop(path, chunks, limit):
        path.touch()
        return sum([len(chunk) async for chunk in chunks])

    # What is uploaded is counted, not kept.
    monkeypatch.setattr(storage, "_write", drop)
    async with serving(server, unused_tcp_port) as (program, http):
        # A first job loads what every job needs.
        async with http.post("/jobs", data=AUDIO) as response:
            await ended(http, (await response.json())["id"])
        resident = psutil.Process(program.process.pid).memory_info
        idle = highest = resident().rss

        async def audio():
            nonlocal highest
            for _ in range(1024):
                yield bytes(MEBIBYTE)
                highest = max(highest, resident().rss)

        async with http.post("/jobs", data=audio(), timeout=aiohttp.ClientTimeout(170)) as response:
            assert response.status == 202
            told = await ended(http, (await response.json())["id"])
        assert told["sent"] == 1024 * MEBIBYTE
        assert highest - idle <= 64 * MEBIBYTE

import asyncio

import pytest

from asyncscribe import AsyncClient, NotOpen, SubmissionPolicy, WaitInterrupted
from asyncscribe.server import LocalServer, faults
from tests.support import KEY, POLLING, open_client, recording


async def test_it_says_when_it_is_not_open():
    client = AsyncClient(KEY)
    with pytest.raises(RuntimeError, match="not open"):
        await client.get("abc")
    with pytest.raises(RuntimeError, match="not open"):
        await client.submit("https://a.test/b.mp3")
    with pytest.raises(RuntimeError, match="not open"):
        await anext(client.transcribe_many(["https://a.test/b.mp3"]))


async def test_it_can_be_opened_again_but_not_twice(server, nothing_left):
    client = open_client(server)
    for _ in range(2):
        async with client:
            assert (await client.transcribe(recording())).text
    async with client:
        with pytest.raises(RuntimeError, match="open already"):
            await client.__aenter__()


def test_it_can_be_opened_again_in_another_loop(unused_tcp_port):
    client = AsyncClient(KEY, f"http://127.0.0.1:{unused_tcp_port}", polling=POLLING)

    async def use() -> None:
        async with LocalServer(api_key=KEY, port=unused_tcp_port), client:
            await client.submit(recording(seconds=100))
            assert (await client.transcribe(recording(seconds=0.1))).text

    for _ in range(2):
        asyncio.run(use())


async def test_it_can_be_closed_from_another_task(server, nothing_left):
    client = open_client(server)
    await asyncio.create_task(client.__aenter__())
    job = await client.submit(recording(seconds=100))
    await asyncio.create_task(client.aclose())
    assert job.state == "abandoned"


@pytest.mark.looptime
async def test_draining_lets_the_service_end_what_it_has_and_begins_nothing(server, nothing_left):
    """L7: closing only cancelled."""
    async with open_client(server, concurrency=2) as client:
        jobs = [client.start(recording(str(number), seconds=10)) for number in range(5)]
        submitted = [await job.submitted() for job in jobs[:2]]
        closing = asyncio.create_task(client.aclose(drain=30))
        await asyncio.sleep(1)
        with pytest.raises(NotOpen):
            client.start(recording("late"))
        with pytest.raises(NotOpen):
            await client.transcribe(recording("late"))
        assert await closing == ()
    assert [job.transcript is not None for job in jobs] == [True, True, False, False, False]
    assert all(isinstance(job.error, NotOpen) for job in jobs[2:])
    assert [record.id for record in server.records] == submitted


@pytest.mark.looptime
async def test_what_does_not_end_in_time_is_told_with_its_id(server, nothing_left):
    async with open_client(server, concurrency=2) as client:
        quick, slow = client.start(recording("quick", seconds=5)), client.start(recording("slow", seconds=500))
        await slow.submitted()
        left = await client.aclose(drain=30)
        assert left == (slow.id,)
        assert quick.transcript
        assert isinstance(slow.error, WaitInterrupted)
        assert slow.error.transcript_id == slow.id
    async with open_client(server) as client:
        assert (await client.wait(left[0])).id == left[0]


@pytest.mark.looptime
async def test_draining_does_not_submit_again_what_the_service_failed(server, nothing_left):
    async with open_client(server) as client:
        job = client.start(recording(seconds=10, server_errors=1))
        await job.submitted()
        assert await client.aclose(drain=60) == ()
    assert len(server.records) == 1
    assert job.error is not None


@pytest.mark.looptime
async def test_draining_waits_for_what_is_in_doubt(server, nothing_left):
    """The answer is lost: the job is found within the time, and its end is waited for."""
    async with open_client(server, submission=SubmissionPolicy(lookups=(2, 5), quiet=10)) as client:
        server.faults.script("POST", "/v2/transcript", faults.Drop(when=faults.When.AFTER))
        job = client.start(recording(seconds=3))
        await asyncio.sleep(1)
        assert not job.ids
        await client.aclose(drain=60)
    assert job.transcript
    assert len(server.records) == 1


@pytest.mark.looptime
async def test_draining_ends_a_stream_of_many_after_what_runs(server, nothing_left):
    async def endless():
        number = 0
        while True:
            number += 1
            yield recording(str(number), seconds=10)
            await asyncio.sleep(1)

    outcomes = []

    async def consume(client) -> None:
        async for outcome in client.transcribe_many(endless()):
            outcomes.append(outcome)  # noqa: PERF401 - the stream ends with an error

    async with open_client(server, concurrency=2) as client:
        worker = asyncio.create_task(consume(client))
        await asyncio.sleep(5)
        await client.aclose(drain=30)
        with pytest.raises(WaitInterrupted, match="closed before all"):
            await worker
    assert sum(outcome.ok for outcome in outcomes) == 2
    assert len(server.records) == 2


@pytest.mark.looptime
async def test_waits_by_id_alone_are_drained_too(server, nothing_left):
    async with open_client(server) as client:
        job_id = (await client.submit(recording(seconds=10))).id
    async with open_client(server) as client:
        wait = asyncio.create_task(client.wait(job_id))
        await asyncio.sleep(0)
        await client.aclose(drain=30)
        assert (await wait).id == job_id
    async with open_client(server) as client:
        job_id = (await client.submit(recording(seconds=100))).id
    async with open_client(server) as client:
        wait = asyncio.create_task(client.wait(job_id))
        await asyncio.sleep(0)
        assert await client.aclose(drain=5) == (job_id,)
        with pytest.raises(WaitInterrupted):
            await wait


@pytest.mark.looptime
async def test_closing_once_more_without_patience_ends_a_drain(server, nothing_left):
    async with open_client(server) as client:
        job = await client.submit(recording(seconds=500))
        closing = asyncio.create_task(client.aclose(drain=400))
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        assert await client.aclose() == await closing == (job.id,)
        assert asyncio.get_running_loop().time() - before < 1
        # Opened again, it takes up new work.
        async with client:
            assert await client.transcribe(recording())

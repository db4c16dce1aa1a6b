import asyncio

import pytest

from asyncscribe import APIError, Backoff, NotFound, TranscriptStatus, UnreadableAnswer, WaitInterrupted
from asyncscribe.server import faults
from asyncscribe.watcher import PATIENCE, Watcher
from tests.support import open_client, recording

GET = ("GET", "/v2/transcript/")


async def submitted(client, **rules) -> str:
    return (await client.submit(recording(**rules))).id


@pytest.mark.looptime
async def test_looks_back_off_until_the_job_has_ended(server, nothing_left):
    seen = []
    schedule = Backoff(initial=1, factor=2, maximum=60, jitter=0)
    async with open_client(server) as client:
        transcript_id = await submitted(client, seconds=20)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        watcher = Watcher(client._transport, client._nursery, schedule)
        transcript = await watcher.wait(
            transcript_id, new=True, on_look=lambda status: seen.append((round(loop.time() - begun), status))
        )
    assert transcript.status is TranscriptStatus.COMPLETED
    assert seen == [(1, "processing"), (3, "processing"), (7, "processing"), (15, "processing"), (31, "completed")]
    assert watcher.statistics().watched == 0
    assert watcher.statistics().looks == 5


@pytest.mark.looptime
async def test_jobs_that_wait_at_the_service_are_counted_and_told(server, nothing_left):
    told = []
    async with open_client(server, concurrency=5) as client:
        ids = [await submitted(client, name=str(n), seconds=30) for n in range(5)]
        watcher = Watcher(
            client._transport, client._nursery, Backoff(initial=1, factor=1, maximum=1, jitter=0), told.append
        )
        await asyncio.gather(*(watcher.wait(transcript_id) for transcript_id in ids))
    after_one_look_at_each = told[4]
    assert (after_one_look_at_each.processing, after_one_look_at_each.queued) == (2, 3)
    assert watcher.statistics().queued_looks > 0
    assert watcher.statistics().queued == watcher.statistics().processing == 0


@pytest.mark.looptime
async def test_failing_looks_only_stretch_the_wait(server, client):
    transcript_id = await submitted(client, seconds=60)
    server.faults.script(*GET, *[faults.Answer(500)] * 8, faults.Drop(), faults.CutBody())
    watcher = Watcher(client._transport, client._nursery, Backoff(initial=1, factor=2, maximum=10, jitter=0))
    assert (await watcher.wait(transcript_id)).status is TranscriptStatus.COMPLETED


@pytest.mark.looptime
async def test_an_outage_that_does_not_end_interrupts_the_wait_and_names_the_job(server, client):
    transcript_id = await submitted(client, seconds=1000)
    server.faults.script(*GET, *[faults.Answer(500)] * 1000)
    watcher = Watcher(client._transport, client._nursery, Backoff(initial=1, factor=2, maximum=10, jitter=0))
    with pytest.raises(WaitInterrupted, match="picks it up") as raised:
        await watcher.wait(transcript_id)
    assert raised.value.transcript_id == transcript_id
    assert PATIENCE > 1


async def test_an_unknown_id_is_not_found(client):
    with pytest.raises(NotFound):
        await client.wait("no-such-job")
    with pytest.raises(NotFound):
        await client.get("no-such-job")


async def test_a_refused_key_ends_the_wait(server, client):
    transcript_id = await submitted(client)
    server.faults.script(*GET, *[faults.Answer(401, '{"error": "Authentication error"}')] * 3)
    with pytest.raises(APIError, match=transcript_id):
        await client.wait(transcript_id)


async def test_an_answer_that_is_no_transcript_is_unreadable(server, client):
    server.faults.script(*GET, *[faults.Answer(200, '{"hello": "world"}')] * 9)
    with pytest.raises(UnreadableAnswer, match=r"is no transcript .id: Field required; status: Field required"):
        await client.get("abc")

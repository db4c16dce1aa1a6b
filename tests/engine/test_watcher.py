import asyncio

import anyio
import pytest

from asyncscribe import (
    APIError,
    Backoff,
    HttpBudget,
    NotFound,
    TranscriptionConfig,
    TranscriptStatus,
    UnreadableAnswer,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.engine.watcher import PATIENCE, Watcher
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, RateLimit, faults
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
            transcript_id, new=True, on_status=lambda status: seen.append((round(loop.time() - begun), status))
        )
    assert transcript.status is TranscriptStatus.COMPLETED
    assert seen == [(1, "processing"), (31, "completed")]
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


LIST = "GET /v2/transcript"
ONE = "GET /v2/transcript/{id}"


async def all_of(client, sources):
    return [outcome async for outcome in client.transcribe_many(sources)]


@pytest.mark.looptime
@pytest.mark.parametrize(("limit", "pages"), [(40, 1), (250, 3)], ids=["newest page", "census"])
async def test_pages_answer_for_all_jobs_and_each_is_fetched_once(nothing_left, limit, pages):
    async with LocalServer(limit=limit) as server, open_client(server, polling=Backoff(), concurrency=limit) as client:
        outcomes = await all_of(client, [recording(str(n), seconds=20 + n % 7) for n in range(limit)])
        assert all(outcome.ok for outcome in outcomes)
        assert server.requests[ONE] == limit
        # A fixed poll every 3 s would be 8 requests per job; with the limit unknown to the end this is half of one.
        assert pages < server.requests[LIST] < 60 * pages
        assert client.stats.watcher.pages == server.requests[LIST]


@pytest.mark.looptime
async def test_waiters_share_the_looks_and_leave_without_disturbing_each_other(server, client):
    transcript_id = await submitted(client, seconds=20)
    looks = server.requests[ONE]
    alone = client._watcher.statistics().looks
    waiters = [asyncio.create_task(client.wait(transcript_id)) for _ in range(5)]
    await asyncio.sleep(5)
    waiters[0].cancel()
    with pytest.raises(WaitTimeout):
        await client.wait(transcript_id, timeout=0.01)
    transcripts = await asyncio.gather(*waiters[1:])
    assert {transcript.id for transcript in transcripts} == {transcript_id}
    assert server.requests[ONE] - looks == client._watcher.statistics().looks - alone
    assert len({id(transcript) for transcript in transcripts}) == 1


@pytest.mark.looptime
async def test_jobs_known_by_their_ids_alone_join_in(server, nothing_left):
    async with open_client(server) as first:
        ids = [await submitted(first, name=str(n), seconds=10) for n in range(2)]
    async with open_client(server, polling=Backoff()) as second:
        transcripts = await asyncio.gather(*map(second.wait, ids))
        assert [transcript.id for transcript in transcripts] == ids
        assert server.requests[LIST] > 0


@pytest.mark.looptime
async def test_a_refused_list_is_no_reason_to_lose_a_job(server, client):
    server.faults.plan(FaultPlan(0, [FaultRule("GET", LIST.split()[1], 1, faults.Answer(403), exact=True)]))
    outcomes = await all_of(client, [recording(str(n), seconds=5) for n in range(10)])
    assert all(outcome.ok for outcome in outcomes)
    assert server.requests[LIST] == 1


@pytest.mark.looptime
async def test_a_failing_list_only_stretches_the_wait(server, client):
    server.faults.script("GET", "/v2/transcript", *[faults.Answer(500)] * 6)
    assert all(outcome.ok for outcome in await all_of(client, [recording(str(n), seconds=1) for n in range(10)]))


@pytest.mark.looptime
@pytest.mark.parametrize("concurrency", [20, 150])
async def test_a_lagging_list_is_no_reason_to_lose_a_job(nothing_left, concurrency):
    async with LocalServer(limit=150, list_lag=3) as server, open_client(server, concurrency=concurrency) as client:
        outcomes = await all_of(client, [recording(str(n), seconds=1 + n % 5) for n in range(150)])
        assert all(outcome.ok for outcome in outcomes)
        assert len(server.records) == 150


@pytest.mark.looptime
async def test_others_jobs_are_told_and_cost_a_bounded_number_of_pages(nothing_left):
    looks = []
    async with LocalServer(limit=10) as server, open_client(server, concurrency=700) as neighbour:
        for n in range(700):
            await neighbour._submitter.submit(recording(f"other{n}", seconds=1), TranscriptionConfig())
        async with open_client(server, polling=Backoff(), concurrency=5) as client:
            client._watcher._observe = looks.append
            assert all(outcome.ok for outcome in await all_of(client, [recording(str(n), seconds=1) for n in range(5)]))
            sweeps = len(looks)
            assert server.requests[LIST] <= sweeps * 2 * 3
    crowds = [look.others for look in looks if look.others is not None]
    assert max(others.processing for others in crowds) == 10
    assert max(others.queued for others in crowds) > 500
    # What was seen of the own jobs is no part of it, and only a job that was there before counts as queued.
    assert looks[0].queued == 0
    assert max(look.queued for look in looks) == 5


@pytest.mark.looptime
async def test_a_hint_ends_the_wait_at_once(server, nothing_left):
    async with open_client(server, polling=Backoff(initial=3600, maximum=3600)) as client:
        transcript_id = await submitted(client, seconds=1)
        await asyncio.sleep(2)
        client.hint(transcript_id)
        client.hint("nobody's")
        with anyio.fail_after(1):
            await client.wait(transcript_id)


@pytest.mark.looptime
async def test_looks_keep_to_the_request_budget(nothing_left):
    """Without it 100 jobs, looked at so often, would be refused by the thousand."""
    limit = RateLimit(requests=400, seconds=20)
    async with LocalServer(limit=50, rate_limit=limit) as server:
        async with open_client(server, concurrency=50, budget=HttpBudget(400, 20)) as client:
            outcomes = await all_of(client, [recording(str(n), seconds=6) for n in range(200)])
        assert all(outcome.ok for outcome in outcomes)
        assert server.rate_limited == 0

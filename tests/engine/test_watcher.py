import asyncio
import json

import anyio
import pytest

from asyncscribe import (
    Backoff,
    HttpBudget,
    NotFound,
    TranscriptionConfig,
    TranscriptStatus,
    UnreadableAnswer,
    WaitInterrupted,
    WaitRefused,
    WaitTimeout,
)
from asyncscribe.engine.submission import Submission
from asyncscribe.engine.watched import DOUBTED_FOR, PATIENCE
from asyncscribe.engine.watcher import Watcher
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, RateLimit, faults, listing
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
        watcher = Watcher(client._parts.transport, client._parts.tasks, schedule)
        transcript = await watcher.wait(
            transcript_id, new=True, on_status=lambda status: seen.append((round(loop.time() - begun), status))
        )
    assert transcript.status is TranscriptStatus.COMPLETED
    assert seen == [(1, "processing"), (31, "completed")]
    assert watcher.statistics().watched == 0
    assert watcher.statistics().checks == 5


@pytest.mark.looptime
async def test_jobs_that_wait_at_the_service_are_counted_and_told(server, nothing_left):
    told = []
    async with open_client(server, concurrency=5) as client:
        ids = [await submitted(client, name=str(n), seconds=30) for n in range(5)]
        watcher = Watcher(
            client._parts.transport, client._parts.tasks, Backoff(initial=1, factor=1, maximum=1, jitter=0), told.append
        )
        await asyncio.gather(*(watcher.wait(transcript_id) for transcript_id in ids))
    after_one_look_at_each = told[4]
    assert (after_one_look_at_each.processing, after_one_look_at_each.queued) == (2, 3)
    assert watcher.statistics().queued_checks > 0
    assert watcher.statistics().queued == watcher.statistics().processing == 0


@pytest.mark.looptime
async def test_failing_looks_only_stretch_the_wait(server, client):
    transcript_id = await submitted(client, seconds=60)
    server.faults.script(*GET, *[faults.Answer(500)] * 8, faults.Drop(), faults.CutBody())
    watcher = Watcher(client._parts.transport, client._parts.tasks, Backoff(initial=1, factor=2, maximum=10, jitter=0))
    assert (await watcher.wait(transcript_id)).status is TranscriptStatus.COMPLETED


@pytest.mark.looptime
async def test_an_outage_is_waited_out_by_time_and_not_by_count(server, nothing_left):
    """E1: ten failed checks, after 114 s, lost a paid wait."""
    slow = Backoff(initial=1, factor=2, maximum=10, jitter=0)
    async with open_client(server, polling=slow) as client:
        job = await client.submit(recording(seconds=60))
        server.faults.plan(FaultPlan(0, [FaultRule("GET", "/v2/", 1, faults.Answer(503))]))
        await asyncio.sleep(PATIENCE - 100)
        server.faults.plan(None)
        assert (await client.wait(job)).status is TranscriptStatus.COMPLETED


@pytest.mark.looptime
async def test_an_outage_that_does_not_end_interrupts_the_wait_and_names_the_job(server, nothing_left):
    slow = Backoff(initial=1, factor=2, maximum=10, jitter=0)
    async with open_client(server, polling=slow) as client:
        job = await client.submit(recording(seconds=10_000))
        server.faults.plan(FaultPlan(0, [FaultRule("GET", "/v2/", 1, faults.Answer(500))]))
        begun = anyio.current_time()
        with pytest.raises(WaitInterrupted, match="picks it up") as raised:
            await client.wait(job)
        assert raised.value.transcript_id == job.id
        assert PATIENCE <= anyio.current_time() - begun < PATIENCE + 60


REFUSALS = [
    faults.Answer(302, "", {"Location": "https://elsewhere.test"}),
    faults.Answer(401, '{"error": "Authentication error"}'),
    faults.Answer(403, '{"error": "Forbidden"}'),
    faults.Answer(404, '{"error": "Not found"}'),
    faults.Answer(405, '{"error": "Method not allowed"}'),
    faults.Answer(400, '{"error": "Transcript lookup error, transcript id not found"}'),
]


@pytest.mark.looptime
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.status)
async def test_a_refusal_of_a_job_that_the_service_has_is_doubted_first(server, client, refusal):
    """E10: one 302, 403, 404 or 405 ended a paid wait, and a batch paid again."""
    job = await client.submit(recording(seconds=20))
    server.faults.script(*GET, *[refusal] * 3)
    assert (await client.wait(job)).status is TranscriptStatus.COMPLETED
    assert len(server.records) == 1


@pytest.mark.looptime
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.status)
async def test_a_refusal_that_stays_ends_the_wait_after_a_minute_and_names_the_job(server, client, refusal):
    job = await client.submit(recording(seconds=20))
    server.faults.plan(FaultPlan(0, [FaultRule("GET", "/v2/transcript/", 1, refusal)]))
    begun = anyio.current_time()
    with pytest.raises(WaitRefused, match=job.id) as raised:
        await client.wait(job)
    assert raised.value.transcript_id == job.id
    assert raised.value.refusal.status == refusal.status
    assert anyio.current_time() - begun >= DOUBTED_FOR
    server.faults.plan(None)
    assert (await client.wait(job.id)).status is TranscriptStatus.COMPLETED


@pytest.mark.looptime
async def test_an_answer_about_another_job_is_no_answer(server, client):
    """The service, or a cache in front of it, may mix answers up."""
    _, second = [await client.submit(recording(str(n), seconds=10)) for n in range(2)]
    other = server.records[0].document | {"status": "completed"}
    server.faults.script("GET", f"/v2/transcript/{second.id}", faults.Answer(200, json.dumps(other)))
    assert (await client.wait(second)).id == second.id


async def test_an_unknown_id_is_not_found(client):
    with pytest.raises(NotFound):
        await client.wait("no-such-job")
    with pytest.raises(NotFound):
        await client.get("no-such-job")


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
        # Until the first has ended nobody knows how long jobs take: most are asked for once before.
        assert server.requests[ONE] <= 2 * limit
        # A fixed poll every 3 s would be 8 requests per job.
        assert pages < server.requests[LIST] < 100 * pages
        assert client.stats.watcher.pages == server.requests[LIST]


@pytest.mark.looptime
async def test_waiters_share_the_looks_and_leave_without_disturbing_each_other(server, client):
    transcript_id = await submitted(client, seconds=20)
    looks = server.requests[ONE]
    alone = client._parts.watcher.statistics().checks
    waiters = [asyncio.create_task(client.wait(transcript_id)) for _ in range(5)]
    await asyncio.sleep(5)
    waiters[0].cancel()
    with pytest.raises(WaitTimeout):
        await client.wait(transcript_id, timeout=0.01)
    transcripts = await asyncio.gather(*waiters[1:])
    assert {transcript.id for transcript in transcripts} == {transcript_id}
    assert server.requests[ONE] - looks == client._parts.watcher.statistics().checks - alone
    assert len({id(transcript) for transcript in transcripts}) == 1


@pytest.mark.looptime
async def test_jobs_known_by_their_ids_alone_join_in(server, nothing_left):
    async with open_client(server) as first:
        ids = [await submitted(first, name=str(n), seconds=10) for n in range(2)]
    async with open_client(server, polling=Backoff()) as second:
        transcripts = await asyncio.gather(*map(second.wait, ids))
        assert [transcript.id for transcript in transcripts] == ids
        assert server.requests[LIST] > 0


LISTS = {
    "refused": faults.Answer(403),
    "not found": faults.Answer(404),
    "failing": faults.Answer(500),
    "hanging": faults.Hang(),
    "cut": faults.CutBody(),
    "no list": faults.Answer(200, '{"message": "ok"}'),
    "empty": faults.Answer(200, '{"transcripts": [], "page_details": {"prev_url": null}}'),
    "odd item": faults.Answer(200, '{"transcripts": [{"id": "x", "status": null}]}'),
    "rate limited": faults.Answer(429, "{}", {"Retry-After": "1"}),
}


@pytest.mark.looptime
@pytest.mark.parametrize("fault", LISTS.values(), ids=LISTS)
async def test_a_list_that_is_of_no_use_makes_nothing_wrong_and_little_slower(nothing_left, fault):
    """E1: with a failing list all waits were lost; with a hanging one no end was noticed for 50 minutes."""
    async with LocalServer(limit=20) as server, open_client(server, polling=Backoff(), concurrency=20) as client:
        server.faults.plan(FaultPlan(0, [FaultRule("GET", LIST.split()[1], 1, fault, exact=True)]))
        begun = anyio.current_time()
        outcomes = await all_of(client, [recording(str(n), seconds=20) for n in range(20)])
        assert all(outcome.ok for outcome in outcomes)
        assert anyio.current_time() - begun < 45
        # The schedule of a job without pages, and little more.
        assert server.requests[ONE] <= 20 * 8


@pytest.mark.looptime
@pytest.mark.parametrize("shown", ["processing", "queued", "completed", "error", "gone", "nonsense"])
async def test_a_list_that_lies_makes_nothing_wrong_and_little_slower(nothing_left, shown):
    """E2: a stale list delayed every end for ever; one that turned empty cost 100 urgent GETs a second."""
    async with LocalServer(limit=150) as server, open_client(server, polling=Backoff(), concurrency=150) as client:
        true_page = listing.page

        def lie(service, request):
            page = json.loads(true_page(service, request))
            if shown == "gone":
                page["transcripts"] = []
            elif request.query.get("status") in {None, shown, "processing"}:
                # Every job there ever was, and always in the same state.
                page["transcripts"] = [
                    {"id": record.id, "status": shown, "audio_url": record.audio_url} for record in server.records
                ][-200:]
            page["page_details"]["prev_url"] = None
            return json.dumps(page).encode()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(listing, "page", lie)
            begun = anyio.current_time()
            outcomes = await all_of(client, [recording(str(n), seconds=20) for n in range(150)])
        assert all(outcome.ok for outcome in outcomes)
        took = anyio.current_time() - begun
        assert took < 60
        assert server.requests[ONE] <= 150 * 8


@pytest.mark.looptime
async def test_a_refused_list_is_not_asked_for_again_at_once(server, client):
    server.faults.plan(FaultPlan(0, [FaultRule("GET", LIST.split()[1], 1, faults.Answer(403), exact=True)]))
    outcomes = await all_of(client, [recording(str(n), seconds=5) for n in range(10)])
    assert all(outcome.ok for outcome in outcomes)
    assert server.requests[LIST] == 1


@pytest.mark.looptime
@pytest.mark.parametrize("concurrency", [20, 150])
async def test_a_lagging_list_is_no_reason_to_lose_a_job(nothing_left, concurrency):
    async with LocalServer(limit=150, list_lag=3) as server, open_client(server, concurrency=concurrency) as client:
        outcomes = await all_of(client, [recording(str(n), seconds=1 + n % 5) for n in range(150)])
        assert all(outcome.ok for outcome in outcomes)
        assert len(server.records) == 150


@pytest.mark.looptime
async def test_others_jobs_are_reported_and_cost_a_bounded_number_of_pages(nothing_left):
    evidence = []
    async with LocalServer(limit=10) as server, open_client(server, concurrency=700) as neighbour:
        for n in range(700):
            await neighbour._parts.submitter.submit(
                Submission(recording(f"other{n}", seconds=1), TranscriptionConfig())
            )
        async with open_client(server, polling=Backoff(), concurrency=5) as client:
            client._parts.watcher._observe = evidence.append
            assert all(outcome.ok for outcome in await all_of(client, [recording(str(n), seconds=1) for n in range(5)]))
            assert server.requests[LIST] <= (len(evidence) + 2) * 2 * 3
    crowds = [seen.others for seen in evidence if seen.others is not None]
    assert max(others.processing for others in crowds) == 10
    assert max(others.queued for others in crowds) > 500
    # What was seen of the own jobs is no part of it, and only a job that was there before counts as queued.
    assert evidence[0].queued == 0
    assert max(seen.queued for seen in evidence) == 5


@pytest.mark.looptime
async def test_a_lone_job_learns_what_others_do_if_somebody_waits_for_a_slot(nothing_left):
    """E3: a client that was pushed down to one slot saw nobody, and stayed there."""
    evidence = []
    async with LocalServer(limit=50) as server, open_client(server) as neighbour:
        theirs = [
            await neighbour._parts.submitter.submit(
                Submission(recording(f"other{n}", seconds=100), TranscriptionConfig())
            )
            for n in range(30)
        ]
        async with open_client(server, polling=Backoff(), concurrency=1) as client:
            observe = client._parts.watcher._observe
            client._parts.watcher._observe = lambda seen: (evidence.append(seen), observe(seen))
            jobs = [client._start(recording(str(n), seconds=20), None, 0) for n in range(2)]
            await asyncio.sleep(15)
            assert evidence[-1].others.processing == len(theirs)
            assert jobs[0].state == "processing"
            assert jobs[1].state == "waiting"


@pytest.mark.looptime
async def test_a_lone_job_that_nobody_waits_behind_needs_no_list(server, nothing_left):
    async with open_client(server, polling=Backoff()) as client:
        await client.transcribe(recording(seconds=60))
    assert server.requests[LIST] == 0


@pytest.mark.looptime
async def test_when_the_first_of_two_waiters_leaves_the_other_goes_on(server, nothing_left):
    async with open_client(server, polling=Backoff()) as client:
        transcript_id = (
            await client._parts.submitter.submit(Submission(recording(seconds=30), TranscriptionConfig()))
        ).id
        first = asyncio.create_task(client.wait(transcript_id))
        await asyncio.sleep(1)
        second = asyncio.create_task(client.wait(transcript_id))
        await asyncio.sleep(5)
        first.cancel()
        assert (await second).status is TranscriptStatus.COMPLETED
        assert client.stats.watcher.watched == 0


@pytest.mark.looptime
async def test_a_hint_ends_the_wait_at_once(server, nothing_left):
    async with open_client(server, polling=Backoff(initial=3600, maximum=3600)) as client:
        transcript_id = await submitted(client, seconds=1)
        await asyncio.sleep(2)
        client.hint(transcript_id)
        client.hint("nobody's")
        with anyio.fail_after(1):
            assert (await client.wait(transcript_id)).status is TranscriptStatus.COMPLETED
        assert server.requests[ONE] == 1


@pytest.mark.looptime
async def test_looks_keep_to_the_request_budget(nothing_left):
    """Without it 100 jobs, looked at so often, would be refused by the thousand."""
    limit = RateLimit(requests=400, seconds=20)
    async with LocalServer(limit=50, rate_limit=limit) as server:
        async with open_client(server, concurrency=50, budget=HttpBudget(400, 20)) as client:
            outcomes = await all_of(client, [recording(str(n), seconds=6) for n in range(200)])
        assert all(outcome.ok for outcome in outcomes)
        assert server.rate_limited == 0


@pytest.mark.looptime
async def test_a_flood_of_false_hints_costs_a_bounded_number_of_checks(server, nothing_left):
    async with open_client(server, polling=Backoff()) as client:
        transcript_id = await submitted(client, seconds=60)
        for _ in range(3_000):
            client.hint(transcript_id)
            await asyncio.sleep(0.01)
        assert server.requests[ONE] <= 12
        await client.wait(transcript_id)


@pytest.mark.looptime
async def test_a_hint_that_comes_while_a_check_is_under_way_is_not_lost(server, nothing_left):
    async with open_client(server, polling=Backoff(initial=1, factor=2, maximum=3600, jitter=0)) as client:
        transcript_id = await submitted(client, seconds=103)
        await asyncio.sleep(100)
        # Its answer is older than the end of the job: without the hint the next check would come at 211 s.
        server.faults.script(*GET, faults.Delay(5))
        client.hint(transcript_id)
        await asyncio.sleep(4)
        client.hint(transcript_id)
        with anyio.fail_after(5):
            assert (await client.wait(transcript_id)).status is TranscriptStatus.COMPLETED

import asyncio
import threading

import pytest

from asyncscribe import (
    AsyncClient,
    ConfigurationError,
    FixedLimit,
    NotOpen,
    SourceError,
    SubmissionPolicy,
    TranscriptionConfig,
    TranscriptStatus,
    WaitInterrupted,
)
from asyncscribe.events import LimitChanged
from asyncscribe.server import LocalServer, faults
from tests.support import KEY, POLLING, open_client, recording


async def test_an_upload_gives_a_url_that_can_be_used_more_than_once(server, client, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"\0" * 32_000)
    url = await client.upload(path)
    assert url.startswith(server.base_url)
    transcripts = await asyncio.gather(client.transcribe(url), client.transcribe(url))
    assert len({transcript.id for transcript in transcripts}) == 2


async def test_a_url_needs_no_upload(client):
    with pytest.raises(SourceError, match="URL already"):
        await client.upload("https://a.test/b.mp3")


async def test_get_gives_any_state(server, client):
    job = await client.submit(recording(seconds=100))
    assert (await client.get(job.id)).status is TranscriptStatus.PROCESSING
    assert (await client.get(job.id)).words == ()


async def test_a_configuration_may_be_a_mapping(server, client):
    await client.transcribe(recording(), {"speaker_labels": True})
    await client.transcribe(recording(), TranscriptionConfig(language_code="en"))
    assert server.records[0].document["speaker_labels"] is True
    assert server.records[1].document["language_code"] == "en"


async def test_a_wrong_configuration_is_an_error_before_any_request(server, client):
    with pytest.raises(ConfigurationError, match="speaker_lables"):
        await client.transcribe(recording(), {"speaker_lables": True})
    assert not server.requests


async def test_the_bound_of_jobs_holds(server, nothing_left):
    server.set_limit(50)
    async with open_client(server, concurrency=7) as client:
        most = 0
        async for _ in client.transcribe_many(recording(str(n), seconds=0.02) for n in range(60)):
            most = max(most, sum(record.status in {"queued", "processing"} for record in server.records))
    assert most <= 7


async def test_queued_jobs_slow_the_submission_and_the_limit_is_told(server, events, nothing_left):
    sources = [recording(str(n), seconds=0.05) for n in range(40)]
    async with open_client(server, concurrency=20, on_event=events.append) as client:
        async for _ in client.transcribe_many(sources):
            pass
        assert client.stats.watcher.queued_checks > 0
        assert client.stats.jobs.limit == 20
    limits = [event.limit for event in events if isinstance(event, LimitChanged)]
    assert min(limits) < 20


async def test_a_policy_can_be_given_as_the_limit(server, nothing_left):
    async with open_client(server, concurrency=FixedLimit(3)) as client:
        assert client.stats.jobs.limit == 3


async def test_200_jobs_at_once_need_no_thread_each(server, nothing_left):
    server.set_limit(200)
    before = threading.active_count()
    most = 0
    async with open_client(server, concurrency=200) as client:
        sources = (recording(str(n), seconds=0.5) for n in range(200))
        async for _ in client.transcribe_many(sources):
            most = max(most, threading.active_count())
    assert most - before <= 2
    assert len(server.records) == 200


@pytest.mark.parametrize("arguments", [{"concurrency": 0}, {"uploads": 0}])
def test_an_impossible_bound_is_refused(arguments):
    with pytest.raises(ConfigurationError, match="at least 1"):
        AsyncClient(KEY, **arguments)


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


async def test_a_handler_of_events_that_fails_costs_nothing(server, caplog, nothing_left):
    def fail(event) -> None:
        raise ValueError("the display fell down")

    async with open_client(server, on_event=fail) as client:
        assert (await client.transcribe(recording())).text
    assert "the event handler failed" in caplog.text
    assert KEY not in caplog.text


async def test_more_handlers_listen_for_a_while(client, events):
    more = []

    def fail(event) -> None:
        raise ValueError("fell down")

    with client.listening(fail), client.listening(more.append):
        await client.transcribe(recording())
    assert more == events
    await client.transcribe(recording())
    assert len(events) == 2 * len(more)


async def test_two_servers_and_two_clients_do_not_disturb_one_another(nothing_left):
    async with LocalServer() as one, LocalServer() as two, open_client(one) as first, open_client(two) as second:
        await asyncio.gather(first.transcribe(recording()), second.transcribe(recording()))
        assert len(one.records) == len(two.records) == 1


async def test_what_aiohttp_repeats_by_itself_is_counted(server, client):
    """On a dead kept connection it sends GET and DELETE once more."""
    transcript_id = (await client.submit(recording(seconds=0))).id
    before = client.stats.transport
    server.faults.script("GET", "/v2/transcript/", faults.Drop())
    await client.get(transcript_id)
    after = client.stats.transport
    assert (after.hidden_repeats, after.retries) == (before.hidden_repeats + 1, before.retries)
    assert after.connections > before.connections


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


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"retry": 3}, "RetryPolicy"),
        ({"timeouts": {"connect": 3}}, "Timeouts"),
        ({"timeouts": 3}, "Timeouts"),
        ({"polling": 3}, "Backoff"),
        ({"uploads": 0}, "uploads must be at least 1"),
        ({"uploads": "4"}, "uploads can't be a str"),
        ({"concurrency": True}, "concurrency can't be True"),
        ({"concurrency": 2.5}, "concurrency can't be 2.5"),
        ({"resubmission": "x"}, "ResubmissionPolicy"),
        ({"submission": 3}, "SubmissionPolicy"),
        ({"budget": 3}, "HttpBudget"),
        ({"on_event": 3}, "a function"),
        ({"api_key": 5}, "api_key"),
        ({"base_url": 5}, "base_url"),
        ({"spool": "1 GB"}, "number of bytes"),
    ],
)
def test_a_wrong_argument_is_told_where_it_is_passed(arguments, hint):
    """L15: it was taken, and was an `AttributeError` at the first request."""
    with pytest.raises(ConfigurationError, match=hint):
        AsyncClient(**{"api_key": KEY, **arguments})


async def test_a_configuration_that_is_none_is_told(client):
    with pytest.raises(ConfigurationError, match="not list"):
        await client.transcribe(recording(), ["speaker_labels"])
    with pytest.raises(ConfigurationError, match="not allowed: redact_pii needs") as raised:
        await client.transcribe(recording(), {"redact_pii": True})
    assert "Value error" not in str(raised.value)

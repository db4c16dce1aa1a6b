"""One request, one object: options, priority, deadline and metadata of one source, wherever a source is taken."""

import asyncio
import tracemalloc

import pytest

from asyncscribe import (
    ConfigurationError,
    JobState,
    NotOpen,
    TranscriptionRequest,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.events import JobEvent, StateChanged, UploadProgress
from asyncscribe.testing import Server
from tests.support import open_client, recording


async def test_each_item_carries_its_own_options_and_metadata(server, client, events):
    german = TranscriptionRequest(recording("de"), {"language_code": "de"}, metadata={"order": 7})
    plain = recording("plain")
    outcomes = {o.request.source: o async for o in client.transcribe_many([german, plain], {"punctuate": False})}
    assert outcomes[german.source].request is german
    assert outcomes[german.source].request.metadata == {"order": 7}
    assert outcomes[plain].request.metadata is None
    documents = {record.audio_url: record.document for record in server.records}
    assert documents[german.source]["language_code"] == "de"
    assert documents[german.source]["punctuate"] is not False
    assert documents[plain]["punctuate"] is False
    told = [event for event in events if isinstance(event, JobEvent) and event.metadata == {"order": 7}]
    assert StateChanged in {type(event) for event in told}
    assert "order" not in repr(told)


async def test_two_streams_are_told_apart(nothing_left, events):
    async def stream(name):
        yield name * 20_000

    requests = [TranscriptionRequest(stream(name), metadata=name.decode()) for name in (b"one", b"other")]
    async with Server() as server, server.client(on_event=events.append) as client:
        server.on(b"one" * 20_000, text="one", seconds=0.05)
        server.on(b"other" * 20_000, text="other")
        told = {outcome.request.metadata: outcome.transcript.text async for outcome in client.transcribe_many(requests)}
    assert told == {"one": "one", "other": "other"}
    assert {event.metadata for event in events if isinstance(event, UploadProgress)} == {"one", "other"}


@pytest.mark.looptime
async def test_a_request_has_a_deadline_of_its_own(server, nothing_left):
    async with open_client(server) as client:
        slow = recording("slow", seconds=100)
        sources = [TranscriptionRequest(slow, timeout=5), recording("quick", seconds=1)]
        outcomes = {outcome.index: outcome async for outcome in client.transcribe_many(sources)}
        assert isinstance(outcomes[0].error, WaitTimeout)
        assert outcomes[0].error.transcript_id == outcomes[0].transcript_id == server.records[0].id
        assert outcomes[1].ok
        with pytest.raises(WaitTimeout):
            await client.transcribe(TranscriptionRequest(slow, timeout=5), timeout=50)
        with pytest.raises(WaitTimeout, match="within 5 s"):
            await client.transcribe(TranscriptionRequest(slow, timeout=50), timeout=5)


@pytest.mark.looptime
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_stream_of_jobs_has_a_deadline_and_every_job_that_was_taken_up_an_outcome(
    server, nothing_left, ordered
):
    taken = []

    def sources():
        for number in range(1000):
            taken.append(number)
            yield recording(str(number), seconds=4)

    async with open_client(server, concurrency=2) as client:
        outcomes = [o async for o in client.transcribe_many(sources(), timeout=10, ordered=ordered)]
    assert len(outcomes) == len(taken) < 20
    done = [outcome for outcome in outcomes if outcome.ok]
    assert len(done) == 4
    late = [outcome for outcome in outcomes if not outcome.ok]
    assert {type(outcome.error) for outcome in late} == {WaitTimeout}
    named = {outcome.transcript_id for outcome in outcomes if outcome.transcript_id}
    assert named == {record.id for record in server.records}


@pytest.mark.looptime
async def test_a_source_that_hangs_does_not_hold_up_the_deadline(server, nothing_left):
    async def sources():
        yield recording()
        await asyncio.Event().wait()

    async with open_client(server) as client:
        assert [outcome.ok async for outcome in client.transcribe_many(sources(), timeout=10)] == [True]


@pytest.mark.looptime
async def test_a_job_is_started_at_once_and_gives_its_id_and_its_end(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        jobs = [client.start(recording(str(number), seconds=5)) for number in range(3)]
        assert [job.id for job in jobs] == [None] * 3
        assert [await job.submitted() for job in jobs] == [record.id for record in server.records]
        assert (await jobs[2].wait()).id == jobs[2].id
        assert jobs[2].transcript is not None
        assert jobs[2].error is None


@pytest.mark.looptime
async def test_a_job_that_is_cancelled_before_its_submission_never_is(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        first, second = client.start(recording("1", seconds=5)), client.start(recording("2", seconds=5))
        await first.submitted()
        second.cancel()
        with pytest.raises(WaitInterrupted):
            await second.wait()
        assert second.state is JobState.ABANDONED
        await first.wait()
        first.cancel()
        assert first.state is JobState.COMPLETED
    assert len(server.records) == 1


@pytest.mark.looptime
async def test_a_job_that_is_cancelled_later_is_left_to_the_service(server, nothing_left):
    async with open_client(server) as client:
        job = client.start(recording(seconds=5))
        await job.submitted()
        job.cancel()
        with pytest.raises(WaitInterrupted) as told:
            await job.wait()
        assert told.value.transcript_id == job.id
        assert job.error is told.value


async def test_what_can_not_be_started_says_so_at_once(server, client):
    with pytest.raises(ConfigurationError):
        client.start(recording(), {"no_such_field": 1})
    with pytest.raises(NotOpen):
        open_client(server).start(recording())
    job = client.start("missing.wav")
    with pytest.raises(Exception, match="there is no such file"):
        await job.submitted()


async def test_an_upload_goes_by_its_priority_and_tells_its_progress(server, client):
    sent = []

    def broken(count):
        sent.append(count)
        raise asyncio.CancelledError

    assert await client.upload(b"\0" * 200_000, priority=3, progress=broken)
    assert sent[-1] == 200_000


@pytest.mark.parametrize("wrong", [{"config": {"no_such_field": 1}}, {"timeout": -1}, {"timeout": float("nan")}])
def test_what_is_not_allowed_is_told_when_the_request_is_made(wrong):
    with pytest.raises(ConfigurationError):
        TranscriptionRequest(recording(), **wrong)


async def test_2000_handles_at_once_take_bounded_memory_and_each_answers(server, nothing_left):
    server.set_limit(200)
    async with open_client(server, concurrency=200) as client:
        await client.transcribe(recording())
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            jobs = [client.start(recording(str(number)), priority=number % 3) for number in range(2_000)]
            await jobs[0].submitted()
            # The server is in this process, too.
            assert tracemalloc.get_traced_memory()[0] - before < 2_000 * 16 * 1024
        finally:
            tracemalloc.stop()
        ids = {await job.submitted() for job in jobs}
        transcripts = [await job.wait() for job in jobs]
    assert len(ids) == len({transcript.id for transcript in transcripts}) == 2_000

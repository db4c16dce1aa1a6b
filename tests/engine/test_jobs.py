import asyncio

import anyio
import anyio.lowlevel
import pytest

from asyncscribe import (
    Backoff,
    FailureCategory,
    JobState,
    NotFound,
    NotOpen,
    SourceError,
    SubmissionInDoubt,
    SubmissionPolicy,
    TranscriptionFailed,
    TranscriptStatus,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.engine.jobs import FRESH_UPLOAD
from asyncscribe.events import Resubmitting, StateChanged, UploadProgress
from asyncscribe.server import faults
from asyncscribe.server.faults import When
from tests.support import open_client, recording

POST = ("POST", "/v2/transcript")


def states(events) -> list[JobState]:
    return [event.state for event in events if isinstance(event, StateChanged)]


async def test_the_way_of_a_url(server, client, events):
    transcript = await client.transcribe(recording(duration=4))
    assert transcript.text.startswith("this is a simulated transcript")
    assert transcript.audio_duration == 4
    assert states(events) == [JobState.WAITING, JobState.SUBMITTING, JobState.PROCESSING, JobState.COMPLETED]
    assert client.stats.jobs.held == 0


async def test_the_way_of_bytes(server, client, events):
    await client.transcribe(b"\0" * 64_000)
    assert states(events)[:2] == [JobState.UPLOADING, JobState.WAITING]
    assert [event.sent for event in events if isinstance(event, UploadProgress)] == [64_000]
    assert server.requests["POST /v2/upload"] == 1


async def test_a_queued_job_says_so(server, client, events):
    await asyncio.gather(*(client.transcribe(recording(str(n), seconds=0.05)) for n in range(4)))
    assert JobState.QUEUED in states(events)
    assert client.stats.watcher.queued_looks > 0


@pytest.mark.looptime
async def test_a_failure_of_the_service_is_resubmitted_with_the_same_upload(server, client, events, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"\0" * 32_000)
    url = await client.upload(path)
    job = await client.submit(f"{url}?server_errors=2&seconds=1")
    transcript = await client.wait(job)
    assert transcript.text
    assert job.submissions == len(server.records) == 3
    assert job.id == transcript.id
    assert server.requests["POST /v2/upload"] == 1
    assert len({record.audio_url for record in server.records}) == 1
    again = [event for event in events if isinstance(event, Resubmitting)]
    assert [event.transcript_id for event in again] == [record.id for record in server.records[:2]]
    assert "server error" in again[0].reason


@pytest.mark.looptime
async def test_the_slot_is_kept_across_resubmissions(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        first = asyncio.create_task(client.transcribe(recording("1", server_errors=2)))
        await asyncio.sleep(0.1)
        await client.transcribe(recording("2"))
        assert first.done()
        await first


@pytest.mark.looptime
async def test_resubmissions_end(server, client):
    with pytest.raises(TranscriptionFailed) as raised:
        await client.transcribe(recording(server_errors=99))
    assert raised.value.category is FailureCategory.SERVER
    assert raised.value.submissions == len(server.records) == 4


@pytest.mark.looptime
async def test_resubmissions_can_be_switched_off(server, nothing_left):
    async with open_client(server, resubmission=0) as client:
        with pytest.raises(TranscriptionFailed):
            await client.transcribe(recording(server_errors=1))
    assert len(server.records) == 1


async def test_a_wrong_input_raises_at_once_and_frees_the_slot(server, client):
    with pytest.raises(TranscriptionFailed, match="too short") as raised:
        await client.transcribe(recording(error="Audio duration is too short."))
    assert raised.value.category is FailureCategory.INPUT
    assert raised.value.transcript.error == "Audio duration is too short."
    assert len(server.records) == 1
    assert client.stats.jobs.held == 0


async def test_a_bad_source_is_an_error_before_any_request(server, client):
    with pytest.raises(SourceError):
        await client.transcribe("missing.wav")
    with pytest.raises(SourceError):
        await client.submit("missing.wav")
    assert not server.requests


@pytest.mark.looptime
async def test_a_timeout_carries_the_job_which_goes_on_and_can_be_picked_up(server, client):
    with pytest.raises(WaitTimeout) as raised:
        await client.transcribe(recording(seconds=100), timeout=10)
    assert raised.value.transcript_id == server.records[0].id
    assert client.stats.jobs.held == 0
    transcript = await client.wait(raised.value.transcript_id)
    assert transcript.id == server.records[0].id
    assert len(server.records) == 1


@pytest.mark.looptime
async def test_a_timeout_before_the_submission_says_that_nothing_was_submitted(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        await client.submit(recording(seconds=100))
        with pytest.raises(WaitTimeout, match="nothing was submitted") as raised:
            await client.transcribe(recording("other"), timeout=10)
        assert raised.value.transcript_id is None
        assert len(server.records) == 1


@pytest.mark.looptime
async def test_a_timeout_does_not_cut_a_submission_off(server, client):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    with pytest.raises(WaitTimeout) as raised:
        await client.transcribe(recording(seconds=100), timeout=0.001)
    assert raised.value.transcript_id == server.records[0].id


@pytest.mark.looptime
async def test_a_wait_for_a_handle_times_out_and_disturbs_nobody(server, client):
    job = await client.submit(recording(seconds=100))
    other = asyncio.create_task(client.wait(job))
    with pytest.raises(WaitTimeout) as raised:
        await client.wait(job, timeout=5)
    assert raised.value.transcript_id == job.id
    assert (await other).id == job.id
    with pytest.raises(WaitTimeout):
        await client.wait((await client.submit(recording(seconds=100))).id, timeout=5)


@pytest.mark.looptime
async def test_many_waiters_share_one_job_and_a_cancelled_one_disturbs_none(server, client):
    job = await client.submit(recording(seconds=50))
    waiters = [asyncio.create_task(client.wait(job)) for _ in range(5)]
    await asyncio.sleep(1)
    waiters[0].cancel()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert {result.id for result in results[1:]} == {job.id}


async def test_a_handle_tells_where_its_job_is(server, client):
    job = await client.submit(recording())
    assert job.status is JobState.PROCESSING
    assert job.id == server.records[0].id
    assert repr(job) == f"<Job 1 http://recordings.test/a.mp3 processing {job.id}>"
    await job.wait()
    assert job.status is JobState.COMPLETED


@pytest.mark.looptime
async def test_more_jobs_than_slots_can_be_submitted_before_any_is_waited_for(server, nothing_left):
    async with open_client(server, concurrency=2) as client:
        jobs = [await client.submit(recording(str(n))) for n in range(10)]
        assert len({(await client.wait(job)).id for job in jobs}) == 10


@pytest.mark.looptime
async def test_a_failed_job_waits_for_its_waiter(server, client):
    job = await client.submit(recording(error="Transcoding failed"))
    await asyncio.sleep(10)
    assert job.state is JobState.FAILED
    for _ in range(2):
        with pytest.raises(TranscriptionFailed):
            await client.wait(job)


async def test_a_failed_job_known_by_its_id_raises_too(server, client):
    job = await client.submit(recording(server_errors=99))
    with pytest.raises(TranscriptionFailed):
        await client.wait(job.id)


async def test_a_job_whose_transcript_vanished_fails(server, client):
    server.faults.script("GET", "/v2/transcript/", faults.Answer(404, '{"error": "Not found"}'))
    job = await client.submit(recording())
    with pytest.raises(NotFound):
        await client.wait(job)


async def test_closing_the_client_abandons_its_jobs(server, nothing_left):
    async with open_client(server) as client:
        job = await client.submit(recording(seconds=100))
    assert job.state is JobState.ABANDONED
    with pytest.raises(WaitInterrupted, match="picks it up") as raised:
        await job.wait()
    assert raised.value.transcript_id == job.id


async def test_a_cancelled_transcription_leaves_nothing(server, client):
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    while not server.records:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.stats.jobs.held == 0
    assert client.stats.watcher.watched == 0


@pytest.mark.looptime
async def test_a_priority_overtakes_those_that_wait(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        await client.submit(recording("first", seconds=50))
        ended = []

        async def run(name, priority):
            await client.transcribe(recording(name), priority=priority)
            ended.append(name)

        async with asyncio.TaskGroup() as group:
            for name, priority in [("batch 1", 0), ("batch 2", 0), ("urgent", 1)]:
                group.create_task(run(name, priority))
                await asyncio.sleep(0.1)
    assert ended == ["urgent", "batch 1", "batch 2"]


@pytest.mark.looptime
async def test_a_transcription_whose_client_is_closed_names_its_job(server, nothing_left):
    client = await open_client(server).__aenter__()
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    await client.aclose()
    with pytest.raises(WaitInterrupted, match="picks it up") as raised:
        await task
    assert raised.value.transcript_id == server.records[0].id


@pytest.mark.looptime
async def test_a_submission_in_doubt_whose_client_is_closed_says_so(server, nothing_left):
    client = await open_client(server, submission=SubmissionPolicy(lookups=(5,), quiet=60)).__aenter__()
    server.faults.script(*POST, faults.Drop(When.AFTER))
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    await client.aclose()
    with pytest.raises(SubmissionInDoubt, match="may exist"):
        await task


async def test_closing_the_client_ends_a_submission_that_waits_for_a_slot(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        await client.submit(recording("first", seconds=100))

        async def submit():
            with pytest.raises(NotOpen):
                await client.submit(recording("second"))

        async with anyio.create_task_group() as group:
            group.start_soon(submit)
            while not client.stats.jobs.waiting:
                await anyio.lowlevel.checkpoint()
            with anyio.fail_after(1):
                await client.aclose()
    assert len(server.records) == 1


@pytest.mark.looptime
async def test_a_timeout_holds_while_the_service_asks_for_a_pause(server, client):
    server.faults.script("POST", "/v2/transcript", faults.Answer(429, "{}", {"Retry-After": "60"}))
    begun = anyio.current_time()
    with pytest.raises(WaitTimeout) as caught:
        await client.transcribe(recording(), timeout=5)
    assert anyio.current_time() - begun < 6
    assert caught.value.transcript_id is None
    assert not server.records


@pytest.mark.looptime
async def test_an_upload_that_waited_too_long_for_a_slot_is_made_again(server, nothing_left):
    slow = Backoff(initial=3600, factor=1, maximum=3600, jitter=0)
    async with open_client(server, concurrency=1, polling=slow) as client:
        await client.submit(recording(seconds=FRESH_UPLOAD + 10))
        transcript = await client.transcribe(b"\0" * 3200)
        assert transcript.status is TranscriptStatus.COMPLETED
    assert server.requests["POST /v2/upload"] == 2
    assert len(server.records) == 2

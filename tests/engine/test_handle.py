"""One job: the engine's record of it, and the handle that only reads that."""

import asyncio
import logging

import anyio
import pytest

from asyncscribe import Transcript, TranscriptionConfig, TranscriptionRequest
from asyncscribe.engine.handle import Job, LiveJob
from asyncscribe.errors import NotOpen, SourceError, SubmissionInDoubt, WaitInterrupted, WaitTimeout
from asyncscribe.ledger import NullLedger
from asyncscribe.lifecycle import IllegalStep, JobState
from tests.support import recording

DONE = Transcript.model_validate({"id": "t-1", "status": "completed", "text": "a"})
AT_SERVICE = [JobState.WAITING, JobState.SUBMITTING, JobState.QUEUED]


@pytest.fixture
def told():
    return []


@pytest.fixture
def record(told):
    return made(told)


def made(told, **request):
    request = TranscriptionRequest("https://a.test/a.mp3?sig=s3cret", **request)
    return LiveJob(3, request, TranscriptionConfig(), on_event=told.append)


def go(record, *states):
    for state in states:
        record.move(state)


def test_each_change_of_state_is_told_once_in_its_order(record, told):
    go(record, JobState.WAITING, JobState.WAITING, JobState.SUBMITTING)
    record.has("t-1")
    for status in ("queued", "queued", "processing", "meditating"):
        record.saw(status)
    record.complete(DONE)
    assert [event.state for event in told] == [*AT_SERVICE, JobState.PROCESSING, JobState.COMPLETED]
    assert [event.transcript_id for event in told] == [None, None, *["t-1"] * 3]
    assert record.reached is JobState.PROCESSING


def test_a_step_that_the_lifecycle_does_not_have_is_refused_and_told_to_nobody(record, told):
    with pytest.raises(IllegalStep):
        record.complete(DONE)
    assert told == []
    assert record.state is JobState.CREATED


@pytest.mark.parametrize("failure", [RuntimeError("full"), asyncio.CancelledError()])
def test_a_ledger_that_fails_to_take_a_note_costs_nothing(told, caplog, failure):
    class Broken(NullLedger):
        def moved(self, state):
            raise failure

    record = made(told, ledger=Broken())
    go(record, *AT_SERVICE)
    assert [event.state for event in told] == AT_SERVICE
    assert "the ledger of job 3 failed" in caplog.text


def test_ctrl_c_is_not_taken_for_a_ledger_that_fails(told):
    class Interrupted(NullLedger):
        def moved(self, state):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(told, ledger=Interrupted()).move(JobState.WAITING)


def test_a_failure_fails_and_an_end_of_the_waiting_abandons(told):
    for error, state in [
        (SourceError("a.mp3", "is empty"), JobState.FAILED),
        (WaitInterrupted("closed", "t-1"), JobState.ABANDONED),
        (NotOpen(), JobState.ABANDONED),
    ]:
        record = made(told)
        record.fail(error)
        assert (record.state, told[-1].detail) == (state, str(error))


def test_an_end_in_doubt_is_told_as_one_that_may_be_paid(record, told, caplog):
    go(record, JobState.WAITING, JobState.SUBMITTING)
    record.audio_url, record.may_exist = "https://a.test/a.mp3", True
    assert isinstance(record.cut_off("closed"), SubmissionInDoubt)
    assert isinstance(record.timed_out(3), SubmissionInDoubt)
    record.fail(RuntimeError("lost"))
    assert (record.state, told[-1].may_exist) == (JobState.ABANDONED, True)
    assert "lost" in caplog.text


def test_an_error_from_outside_says_what_is_paid_for(record):
    assert "nothing was submitted" in str(record.cut_off("closed"))
    go(record, *AT_SERVICE)
    record.has("t-1")
    assert record.timed_out(3).transcript_id == "t-1"
    assert "the job goes on and will be paid for" in str(record.timed_out(3))
    record.running = None
    assert "nothing of it runs at the service" in str(record.cut_off("closed"))


def test_an_id_that_comes_when_nobody_waits_is_in_the_log(record, caplog):
    go(record, JobState.WAITING, JobState.SUBMITTING)
    record.leave()
    with caplog.at_level(logging.WARNING, "asyncscribe"):
        record.has("t-1")
    assert "t-1 goes on and will be paid for" in caplog.text


async def test_whoever_waits_for_the_id_hears_of_the_end_before_it(record):
    job = Job(record)
    waiting = asyncio.create_task(job.submitted())
    record.fail(SourceError("a.mp3", "is empty"))
    with pytest.raises(SourceError):
        await waiting
    with pytest.raises(SourceError):
        await job.wait()


async def test_a_wait_that_is_too_long_or_cancelled_leaves_the_job_alone(record):
    job = Job(record)
    go(record, *AT_SERVICE)
    record.has("t-1")
    with pytest.raises(WaitTimeout) as timeout:
        await job.wait(0)
    assert timeout.value.transcript_id == "t-1"
    waiting = asyncio.create_task(job.wait())
    await anyio.wait_all_tasks_blocked()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (record.is_wanted, job.state) == (True, JobState.QUEUED)
    record.complete(DONE)
    assert await job.wait(0) is DONE


async def test_a_handle_follows_its_job_to_the_end_and_cancels_nothing_after_it(server, client):
    job = await client.submit(TranscriptionRequest(recording(), metadata=7))
    assert job.id == await job.submitted() == server.records[0].id
    transcript = await job.wait()
    job.cancel()
    assert job.transcript is transcript is await job.wait()
    assert (job.state, job.error, job.submissions, job.ids) == (JobState.COMPLETED, None, 1, (transcript.id,))
    assert job.request.metadata == 7


def test_a_handle_shows_no_signature(record):
    assert "s3cret" not in repr(Job(record))
    record.has("t-1")
    assert repr(Job(record)) == "<Job 3 https://a.test/a.mp3 created t-1>"

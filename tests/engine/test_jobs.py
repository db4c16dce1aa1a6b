import asyncio
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest

from asyncscribe import (
    AsyncClient,
    Backoff,
    CallbackError,
    FailureCategory,
    JobState,
    NotOpen,
    SignedOnDemand,
    SourceError,
    SubmissionInDoubt,
    SubmissionPolicy,
    TranscriptionFailed,
    TranscriptionRequest,
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
    await asyncio.gather(*(client.transcribe(recording(str(n), seconds=0.5)) for n in range(4)))
    assert JobState.QUEUED in states(events)
    assert client.stats.watcher.queued_checks > 0


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
    assert job.state is JobState.PROCESSING
    assert job.id == server.records[0].id
    assert repr(job) == f"<Job 1 http://recordings.test/a.mp3 processing {job.id}>"
    await job.wait()
    assert job.state is JobState.COMPLETED


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


async def test_closing_the_client_abandons_its_jobs(server, nothing_left):
    async with open_client(server) as client:
        job = await client.submit(recording(seconds=100))
    assert job.state is JobState.ABANDONED
    with pytest.raises(WaitInterrupted, match="picks it up") as raised:
        await job.wait()
    assert raised.value.transcript_id == job.id


async def test_a_cancelled_transcription_leaves_nothing(server, client):
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    # Before its answer is read, its submission would go on without the caller.
    while not client.stats.watcher.watched:
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


def in_doubt(server) -> AsyncClient:
    """A client whose next submission is lost, and looked for after 5 s only."""
    server.faults.script(*POST, faults.Drop(When.AFTER))
    return open_client(server, submission=SubmissionPolicy(lookups=(5,), quiet=60))


@pytest.mark.looptime
async def test_closing_the_client_looks_a_submission_in_doubt_up_once_more(server, nothing_left):
    client = await in_doubt(server).__aenter__()
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    await client.aclose()
    with pytest.raises(WaitInterrupted, match="picks it up") as raised:
        await task
    assert raised.value.transcript_id == server.records[0].id


@pytest.mark.looptime
async def test_a_submission_in_doubt_whose_client_is_closed_says_so(server, caplog, nothing_left):
    """E14: jobs were made, and no outcome named them."""
    client = await in_doubt(server).__aenter__()
    server.set_list_lag(1_000)
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    await client.aclose()
    with pytest.raises(SubmissionInDoubt, match="may exist"):
        await task
    assert "job 1" in caplog.text


@pytest.mark.looptime
@pytest.mark.parametrize("many", [False, True])
async def test_closing_waits_for_the_answers_to_submissions_under_way(server, nothing_left, many):
    """E14: what the service had been asked for at that moment was paid, and named by nothing."""
    client = await open_client(server).__aenter__()
    server.faults.script(*POST, *[faults.Delay(3)] * 5)
    sources = [recording(str(number), seconds=100) for number in range(5)]
    if many:
        outcomes = client.transcribe_many(sources)
        first = asyncio.create_task(anext(outcomes))
    else:
        tasks = [asyncio.create_task(client.transcribe(source)) for source in sources]
    await asyncio.sleep(1)
    await client.aclose()
    if many:
        told = [await first]
        with pytest.raises(WaitInterrupted, match="before all sources"):
            async for outcome in outcomes:
                told.append(outcome)  # noqa: PERF401 - what came before the error counts
        errors = [outcome.error for outcome in told]
    else:
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert {error.transcript_id for error in errors} == {record.id for record in server.records}
    assert len(server.records) == 5


@pytest.mark.looptime
async def test_closing_does_not_wait_for_ever_for_an_answer(server, nothing_left):
    client = await open_client(server).__aenter__()
    server.faults.script(*POST, faults.Hang())
    task = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    begun = anyio.current_time()
    await client.aclose()
    assert anyio.current_time() - begun < 11
    with pytest.raises(SubmissionInDoubt):
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


async def _leave_natively(work):
    task = asyncio.create_task(work)
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _leave_by_timeout(work):
    async def limited():
        async with asyncio.timeout(None) as limit:
            limits.append(limit)
            await work

    limits = []
    task = asyncio.create_task(limited())
    yield
    limits[0].reschedule(0)
    with pytest.raises(TimeoutError):
        await task


async def _leave_by_group(work):
    async def fail():
        await failing.wait()
        raise ValueError("another task of the group")

    async def grouped():
        async with asyncio.TaskGroup() as group:
            group.create_task(work)
            group.create_task(fail())

    failing = asyncio.Event()
    task = asyncio.create_task(grouped())
    yield
    failing.set()
    with pytest.raises(ExceptionGroup):
        await task


async def _leave_by_scope(work):
    async def scoped():
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await work

    scopes = []
    task = asyncio.create_task(scoped())
    yield
    scopes[0].cancel()
    await task


@pytest.mark.looptime
@pytest.mark.parametrize("leave", [_leave_natively, _leave_by_timeout, _leave_by_group, _leave_by_scope])
@pytest.mark.parametrize("method", ["transcribe", "submit"])
@pytest.mark.parametrize("fault", [faults.Delay(3), faults.Drop(When.AFTER)], ids=["answer", "doubt"])
async def test_a_caller_that_is_cancelled_leaves_and_the_id_is_still_told(
    server, events, caplog, nothing_left, leave, method, fault
):
    """E4: a paid job whose id no event, log or object had."""
    policy = SubmissionPolicy(lookups=(5,), quiet=60)
    async with open_client(server, submission=policy, on_event=events.append) as client:
        server.faults.script(*POST, fault)
        leaving = leave(getattr(client, method)(recording(seconds=100)))
        await anext(leaving)
        await asyncio.sleep(1)
        begun = anyio.current_time()
        assert [item async for item in leaving] == []
        assert anyio.current_time() - begun < 0.1
        while client.stats.jobs.held:
            await asyncio.sleep(0.1)
        (record,) = server.records
        assert [event.transcript_id for event in events if isinstance(event, StateChanged)][-1] == record.id
        assert states(events)[-1] is JobState.ABANDONED
        assert f"transcript {record.id} goes on and will be paid for" in caplog.text
        assert "job 1" in caplog.text


@pytest.mark.looptime
async def test_a_job_that_was_left_before_its_submission_is_never_submitted(server, nothing_left):
    async with open_client(server, concurrency=1) as client:
        await client.submit(recording("first", seconds=50))
        task = asyncio.create_task(client.transcribe(recording("second")))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(100)
        assert len(server.records) == 1
        assert client.stats.jobs.held == client.stats.jobs.waiting == 0


class Noted:
    """A ledger that notes its steps, and fails at one of them."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        self.steps: list[tuple] = []
        self.fails_at = fails_at
        self.error = error or OSError("the disk fell down")

    def _note(self, step, *values) -> None:
        self.steps.append((step, *values))
        if step == self.fails_at:
            raise self.error

    async def uploaded(self, audio_url) -> None:
        self._note("uploaded", audio_url)

    async def submitting(self, audio_url, since) -> None:
        self._note("submitting", audio_url)

    async def refused(self) -> None:
        self._note("refused")

    async def submitted(self, transcript_id) -> None:
        self._note("submitted", transcript_id)

    def moved(self, state) -> None:
        if self.fails_at == "moved":
            raise self.error


async def test_a_ledger_is_told_each_step_before_the_next(server, client):
    ledger = Noted()
    transcript = await client.transcribe(TranscriptionRequest(b"\0" * 3200, ledger=ledger))
    assert [step[0] for step in ledger.steps] == ["uploaded", "submitting", "submitted"]
    assert ledger.steps[-1] == ("submitted", transcript.id)


@pytest.mark.looptime
@pytest.mark.parametrize("error", [OSError("the disk fell down"), asyncio.CancelledError()], ids=["error", "cancelled"])
@pytest.mark.parametrize("step", ["uploaded", "submitting", "submitted", "refused"])
@pytest.mark.parametrize("method", ["transcribe", "submit"])
async def test_what_a_ledger_raises_ends_its_own_job_and_nothing_else(
    server, client, events, caplog, step, error, method
):
    """E6, E11: the client was dead after that, `submit` raised an error of anyio's, and the paid id was lost."""
    ledger = Noted(step, error)
    other = asyncio.create_task(client.transcribe(recording("other", seconds=30)))
    await asyncio.sleep(0.1)
    if step == "refused":
        server.faults.script(*POST, faults.Answer(400, '{"error": "no"}'))
    with pytest.raises(CallbackError if isinstance(error, asyncio.CancelledError) else OSError):
        job = await getattr(client, method)(TranscriptionRequest(b"\0" * 3200, ledger=ledger))
        # The service had it before the ledger failed.
        await job.wait()
    assert (await other).text
    if step == "submitted":
        transcript_id = server.records[1].id
        assert transcript_id in {event.transcript_id for event in events if isinstance(event, StateChanged)}
        assert f"transcript {transcript_id} goes on and will be paid for" in caplog.text
    else:
        assert len(server.records) == 1
    assert (await client.transcribe(recording("later"))).text
    assert client.stats.jobs.held == 0


@pytest.mark.parametrize("error", [OSError("the disk fell down"), asyncio.CancelledError()], ids=["error", "cancelled"])
async def test_what_a_ledger_raises_for_the_record_alone_costs_nothing(server, client, caplog, error):
    """E6: `moved` that raised ended the client; `Job.wait` hung."""
    job = await client.submit(TranscriptionRequest(recording(), ledger=Noted("moved", error)))
    assert (await job.wait()).text
    assert "the ledger of job 1 failed" in caplog.text


async def test_a_job_is_a_handle_that_can_only_be_read(server, client):
    job = await client.submit(recording())
    for name in ("move", "saw", "complete", "fail", "status"):
        assert not hasattr(job, name)
    for name in ("state", "id", "ids", "number", "anything"):
        with pytest.raises(AttributeError):
            setattr(job, name, None)
    assert job.ids == (job.id,)
    assert job.submissions == 1
    assert job.audio_url == recording()


@pytest.mark.parametrize("method", ["transcribe", "submit", "upload", "get", "delete"])
async def test_an_unopened_client_says_so_and_nothing_else(server, method):
    """E20, E23: `submit` raised a bare `RuntimeError`, `transcribe` that a job may exist and be paid."""
    client = open_client(server)
    with pytest.raises(NotOpen):
        await getattr(client, method)(
            b"abc" if method == "upload" else "http://a.test/b.mp3" if method in {"transcribe", "submit"} else "abc"
        )
    assert not server.requests


@pytest.mark.looptime
async def test_a_limit_that_raises_or_makes_no_sense_holds_no_job_up(server, caplog, nothing_left):
    """E6: with a limit of 0 jobs waited for ever, one that raised ended the client."""

    class Broken:
        initial = 0
        answers: ClassVar = [0, -3, None, "many", ValueError("fell down"), 2.5]

        def update(self, evidence):
            self.answers.append(self.answers.pop(0))
            if isinstance(self.answers[-1], Exception):
                raise self.answers[-1]
            return self.answers[-1]

    async with open_client(server, concurrency=Broken()) as client:
        outcomes = [
            outcome async for outcome in client.transcribe_many(recording(str(n), seconds=2) for n in range(20))
        ]
    assert all(outcome.ok for outcome in outcomes)
    assert "fell down" in caplog.text


async def test_a_handler_that_raises_cancelled_error_costs_nothing(server, nothing_left):
    """E22: every outcome was lost."""

    def cancel(event) -> None:
        raise asyncio.CancelledError

    async with open_client(server, on_event=cancel) as client:
        assert (await client.transcribe(recording())).text
        outcomes = [outcome async for outcome in client.transcribe_many([recording("a"), recording("b")])]
        assert all(outcome.ok for outcome in outcomes)


@pytest.mark.looptime
async def test_what_signing_raises_ends_its_own_job_alone(server, client):
    """E5: `CancelledError` of a signer ended `transcribe_many` over 1,000 sources normally, without any outcome."""

    async def cancelled():
        raise asyncio.CancelledError

    async def failing():
        raise OSError("no key to sign with")

    sources = [
        SignedOnDemand("cancelled", cancelled),
        SignedOnDemand("failing", failing),
        *[recording(str(number)) for number in range(10)],
    ]
    outcomes = [outcome async for outcome in client.transcribe_many(sources)]
    kinds = {outcome.index: type(outcome.error) for outcome in outcomes if not outcome.ok}
    assert kinds == {0: CallbackError, 1: OSError}
    assert len(outcomes) == 12


@pytest.mark.looptime
async def test_the_client_can_be_closed_by_what_it_runs(server, nothing_left):
    """E15: `aclose()` from the iterable of sources waited for itself."""
    client = await open_client(server).__aenter__()

    async def sources():
        yield recording("first", seconds=100)
        await asyncio.sleep(1)
        await client.aclose()
        yield recording("never")

    with anyio.fail_after(30):
        told = []
        with pytest.raises(WaitInterrupted, match="before all sources"):
            async for outcome in client.transcribe_many(sources()):
                told.append(outcome)  # noqa: PERF401 - what came before the error counts
    assert [outcome.transcript_id for outcome in told] == [server.records[0].id]
    await client.aclose()


@pytest.mark.looptime
async def test_many_can_close_a_client_at_once_and_one_of_them_be_cancelled(server, nothing_left):
    client = await open_client(server).__aenter__()
    server.faults.script(*POST, faults.Delay(3))
    job = asyncio.create_task(client.transcribe(recording(seconds=100)))
    await asyncio.sleep(1)
    closing = [asyncio.create_task(client.aclose()) for _ in range(3)]
    await asyncio.sleep(1)
    closing[0].cancel()
    await asyncio.gather(*closing[1:])
    with pytest.raises(WaitInterrupted):
        await job
    assert not client._parts.transport.is_open

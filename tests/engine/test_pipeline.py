import asyncio
import gc
from contextlib import aclosing

import pytest

from asyncscribe import (
    AsyncClient,
    AuthenticationError,
    Backoff,
    Outcome,
    SourceError,
    Transcript,
    TranscriptionFailed,
    WaitInterrupted,
)
from asyncscribe.events import StateChanged
from asyncscribe.server import faults
from tests.support import open_client, recording


async def collect(outcomes) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


async def test_every_source_has_one_outcome(server, client):
    sources = [recording(str(n)) for n in range(30)]
    outcomes = await collect(client.transcribe_many(sources))
    assert sorted(outcome.source for outcome in outcomes) == sorted(sources)
    assert all(outcome.ok and outcome.error is None and outcome.submissions == 1 for outcome in outcomes)
    assert all(sources[outcome.index] is outcome.source for outcome in outcomes)
    assert len(server.records) == 30


async def test_an_async_iterable_works_too(client):
    async def sources():
        for n in range(5):
            yield recording(str(n))

    assert len(await collect(client.transcribe_many(sources()))) == 5


async def test_nothing_gives_nothing(client):
    assert await collect(client.transcribe_many([])) == []


@pytest.mark.looptime
async def test_outcomes_come_as_they_end_or_in_order(server, client):
    sources = [recording("slow", seconds=50), recording("quick", seconds=1)]
    assert [o.index async for o in client.transcribe_many(sources)] == [1, 0]
    assert [o.index async for o in client.transcribe_many(sources, ordered=True)] == [0, 1]


@pytest.mark.looptime
async def test_the_time_from_taking_up_to_the_end_is_told(client):
    (outcome,) = await collect(client.transcribe_many([recording(seconds=30)]))
    assert 30 <= outcome.elapsed <= 31


async def test_one_bad_item_stops_nothing(server, client):
    async def broken():
        yield b"x"
        raise ValueError("fell down")

    sources = [recording("1"), "missing.wav", recording("2", error="Transcoding failed"), broken(), 7, recording("3")]
    outcomes = sorted(await collect(client.transcribe_many(sources)), key=lambda outcome: outcome.index)
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [type(None), SourceError, TranscriptionFailed, SourceError, SourceError, type(None)]
    assert [outcome.transcript is None for outcome in outcomes] == [False, True, True, True, True, False]


@pytest.mark.looptime
async def test_resubmissions_are_told(client):
    (outcome,) = await collect(client.transcribe_many([recording(server_errors=2)]))
    assert outcome.submissions == 3


@pytest.mark.looptime
async def test_sources_are_read_lazily_and_a_slow_reader_slows_the_work(server, nothing_left):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield recording(str(taken), seconds=0)

    async with open_client(server, concurrency=3, uploads=2) as client:
        async with aclosing(client.transcribe_many(endless())) as outcomes:
            for told in range(1, 31):
                await anext(outcomes)
                await asyncio.sleep(0)
                assert taken - told <= 3 + 2 * 2 + 1
            await asyncio.sleep(60)
            assert taken - told <= 3 + 2 * 2 + 1


@pytest.mark.looptime
async def test_in_order_the_bound_holds_while_the_first_is_slow(server, nothing_left):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield recording(str(taken), seconds=5 if taken == 1 else 0)

    async with open_client(server, concurrency=3, uploads=2) as client:
        async with aclosing(client.transcribe_many(endless(), ordered=True)) as outcomes:
            assert (await anext(outcomes)).index == 0
            assert taken <= 2 * 3 + 2 * 2 + 2


@pytest.mark.looptime
async def test_leaving_the_loop_cancels_the_rest(server, client):
    async for outcome in client.transcribe_many(recording(str(n), seconds=0.01) for n in range(1000)):
        if outcome.index > 3:
            break
    for _ in range(10):
        await asyncio.sleep(0)
    assert client.stats.jobs.held == client.stats.jobs.waiting == client.stats.watcher.watched == 0
    submitted = len(server.records)
    await asyncio.sleep(60)
    assert len(server.records) == submitted < 100
    assert (await client.transcribe(recording("after"))).text


async def test_a_cancelled_reader_cancels_the_rest(server, client):
    async def read():
        async for _ in client.transcribe_many(recording(str(n), seconds=100) for n in range(1000)):
            pass

    task = asyncio.create_task(read())
    while not server.records:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(10):
        await asyncio.sleep(0)
    assert client.stats.jobs.held == 0


@pytest.mark.looptime
async def test_what_is_in_flight_is_told_before_an_error_of_the_sources(client):
    def failing():
        yield recording("1", seconds=10)
        yield recording("2", seconds=20)
        raise OSError("the disk fell down")

    told = []
    with pytest.raises(OSError, match="fell down"):
        async for outcome in client.transcribe_many(failing()):
            told.append(outcome.ok)  # noqa: PERF401 - what was told before the error counts
    assert told == [True, True]


async def test_closing_the_client_is_not_taken_for_the_end(server, nothing_left):
    processing = asyncio.Event()

    def look(event):
        if isinstance(event, StateChanged) and event.state == "processing":
            processing.set()

    async with open_client(server, on_event=look) as client:
        outcomes = client.transcribe_many(recording(str(n), seconds=100) for n in range(5))
        waiting = asyncio.create_task(anext(outcomes))
        # A job that the client knows of: of one whose answer is on the way, nothing could be told.
        await processing.wait()
    first = await waiting
    assert isinstance(first.error, WaitInterrupted)
    with pytest.raises(WaitInterrupted, match="before all sources"):
        async for _ in outcomes:
            pass


@pytest.mark.looptime
@pytest.mark.parametrize("ordered", [False, True])
async def test_closing_the_client_loses_no_outcome_and_names_the_jobs_that_go_on(server, nothing_left, ordered):
    """In order, outcomes that wait for an earlier one are told as well."""
    told = []
    sources = [recording("slow", seconds=100), recording("quick", seconds=0), recording("next", seconds=100)]
    async with open_client(server, concurrency=2) as client:
        outcomes = client.transcribe_many(sources, ordered=ordered)

        async def read():
            async for outcome in outcomes:
                told.append(outcome)  # noqa: PERF401 - what was told before the end is what the test is about

        reading = asyncio.create_task(read())
        await asyncio.sleep(5)
        assert len(server.records) == 3
    with pytest.raises(WaitInterrupted, match="before all sources"):
        await reading
    assert [outcome.index for outcome in sorted(told, key=lambda outcome: outcome.index)] == [0, 1, 2]
    assert [outcome.ok for outcome in sorted(told, key=lambda outcome: outcome.index)] == [False, True, False]
    ids = {outcome.error.transcript_id for outcome in told if not outcome.ok}
    assert ids <= {record.id for record in server.records if record.status == "processing"}


@pytest.mark.parametrize("single", ["a.wav", b"abc"])
async def test_a_single_source_is_a_mistake(client, single):
    with pytest.raises(TypeError, match="iterable of sources"):
        client.transcribe_many(single)


def transcripts_alive():
    return sum(type(thing) is Transcript for thing in gc.get_objects())


@pytest.mark.looptime
async def test_nothing_of_a_job_is_kept_once_its_outcome_was_taken(server, nothing_left):
    server.set_limit(50)
    # A pace at which the next check of a job would be due long after it has ended.
    async with open_client(server, polling=Backoff(100, 2, 1000, 0), concurrency=50) as client:
        outcomes = client.transcribe_many([recording(str(n), seconds=2 + n % 7 / 7) for n in range(300)])
        gc.collect()
        before = transcripts_alive()
        kept = []
        async for outcome in outcomes:
            # They end in waves of 50; looking through the heap takes a while.
            if outcome.index >= 150 and outcome.index % 50 > 40:
                kept.append(transcripts_alive() - before)  # noqa: PERF401 - not for each
    assert min(kept) <= 5


async def test_a_key_that_is_not_accepted_stops_at_once(server, nothing_left):
    taken = []

    def sources():
        for number in range(3000):
            taken.append(number)
            yield recording(str(number))

    async with AsyncClient("wrong", server.base_url) as client:
        outcomes = []
        with pytest.raises(AuthenticationError):
            async for outcome in client.transcribe_many(sources()):
                outcomes.append(outcome)  # noqa: PERF401 - it ends with an error
    assert len(outcomes) == len(taken) < 20
    assert sum(server.requests.values()) < 20
    assert {type(outcome.error) for outcome in outcomes} <= {AuthenticationError, WaitInterrupted}


async def test_two_pipelines_share_the_slots(server, nothing_left):
    async with open_client(server, concurrency=2) as client:
        sources = [[recording(f"{name}{n}") for n in range(10)] for name in "ab"]
        told = await asyncio.gather(*(collect(client.transcribe_many(some)) for some in sources))
        assert [len(outcomes) for outcomes in told] == [10, 10]


async def test_faults_of_all_kinds_lose_nothing_and_pay_nothing_twice(server, nothing_left):
    drop, cut, bad = faults.Drop(), faults.CutBody(), faults.Answer(502, "<html>")
    lost = faults.Drop(faults.When.AFTER)
    server.faults.script("GET", "/v2/transcript/", *[drop, cut, bad] * 10)
    server.faults.script("POST", "/v2/transcript", *[lost, cut, bad, drop] * 2)
    sources = [recording(str(n)) for n in range(40)]
    async with open_client(server, concurrency=8) as client:
        outcomes = await collect(client.transcribe_many(sources))
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    assert sorted(record.audio_url for record in server.records) == sorted(sources)

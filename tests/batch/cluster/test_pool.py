"""Stores whose recordings several workers share."""

import asyncio
import contextlib
import threading

import pytest

from asyncscribe import Batch, JournalError, TranscriptionConfig
from asyncscribe.batch import Newcomer, Recording
from asyncscribe.batch.cluster import joined, pool
from asyncscribe.batch.inputs import discovery
from asyncscribe.batch.inputs.identity import fingerprint
from asyncscribe.batch.journal.postgres import lister
from asyncscribe.server import LocalServer, SimulatedEngine
from tests.batch.inputs.test_stores import bucket, put, s3  # noqa: F401 - fixtures
from tests.batch.journal.test_postgres import ask, expire
from tests.support import KEY, open_client, transcripts

COUNT = 12


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Whoever finds nothing to do asks again soon."""
    monkeypatch.setattr(pool, "PAUSE", 0.05)


@pytest.fixture
def listings(monkeypatch):
    """How often each address was listed."""
    listed = []
    recordings = discovery.recordings

    def counted(address, wanted):
        listed.append(address)
        return recordings(address, wanted)

    monkeypatch.setattr(discovery, "recordings", counted)
    return listed


@pytest.fixture
async def service():
    async with LocalServer(SimulatedEngine(speed=0.2, default_duration=1.0), limit=20, api_key=KEY) as server:
        yield server


@pytest.fixture
async def calls(bucket):  # noqa: F811
    store, address = bucket
    await fill(store, COUNT)
    return f"{address}/calls"


async def fill(store, count):
    await put(store, **{f"calls/{number:02}.wav": bytes([number]) for number in range(count)})


@contextlib.asynccontextmanager
async def worker(server, dsn, output, name, **options):
    """A worker of the batch, as a process has it."""
    async with (
        open_client(server, concurrency=4) as client,
        joined(dsn, name=name, **{key: options.pop(key) for key in ("allowed",) if key in options}) as crew,
        Batch(client, output, journal=crew.journal, claims=crew, **options) as batch,
    ):
        yield batch


async def drain(batch, address):
    return [outcome async for outcome in batch.run([address])]


async def done(dsn):
    return [step for (step,) in ask(dsn, "SELECT step FROM recordings JOIN jobs ON job = key")]


async def test_a_store_is_listed_once_for_all_that_have_joined(service, dsn, calls, bucket, tmp_path, listings):  # noqa: F811
    await fill(bucket[0], 4 * COUNT)
    async with contextlib.AsyncExitStack() as stack:
        batches = [
            await stack.enter_async_context(worker(service, dsn, tmp_path / "out", str(number))) for number in range(4)
        ]
        ended = await asyncio.gather(*[drain(batch, calls) for batch in batches])
    outcomes = [outcome for some in ended for outcome in some]
    assert sorted(outcome.item.name for outcome in outcomes) == [f"{number:02}.wav" for number in range(4 * COUNT)]
    assert {outcome.error for outcome in outcomes} == {None}
    assert len(transcripts(tmp_path / "out")) == len(service.records) == 4 * COUNT
    assert sum(bool(some) for some in ended) > 1
    assert listings == [calls]


async def test_who_comes_later_lists_what_was_put_there_meanwhile(service, dsn, calls, bucket, tmp_path, listings):  # noqa: F811
    store, _ = bucket
    async with worker(service, dsn, tmp_path / "out", "one") as batch:
        assert len(await drain(batch, calls)) == COUNT
    await put(store, **{"calls/new.wav": b"a new one"})
    async with worker(service, dsn, tmp_path / "out", "two") as batch:
        (outcome,) = await drain(batch, calls)
        assert (outcome.item.name, batch.skipped) == ("new.wav", COUNT)
    assert listings == [calls] * 2


async def test_who_may_not_list_works_on_what_is_listed(service, dsn, calls, tmp_path, listings):
    config = fingerprint(TranscriptionConfig())
    async with joined(dsn, name="lister") as lister, worker(service, dsn, tmp_path / "out", "one") as batch:
        await lister.journal.bind(service.base_url, lasting=True)
        pool = lister.pool([calls], config)
        async with pool.lister() as is_lister:
            assert is_lister
            address = f"{calls}/00.wav"
            (entry,) = await lister.journal.name([Newcomer(address, address, "00.wav")])
            found = Recording(entry.recording.identity, entry.recording.name, address, content=f"{address}#1")
            await lister.journal.assign([found], config)
            running = asyncio.create_task(drain(batch, calls))
            async with asyncio.timeout(30):
                while await done(dsn) != ["completed"]:
                    await asyncio.sleep(0.05)
            assert not running.done()
            assert listings == []
            await pool.listed()
        # What it named counts, and what it did not name is not there for this run.
        assert [outcome.item.name for outcome in await running] == ["00.wav"]


async def test_a_lister_that_ends_half_way_is_followed_by_another(service, dsn, calls, tmp_path, listings):
    async with worker(service, dsn, tmp_path / "out", "one") as batch, contextlib.aclosing(batch.run([calls])) as some:
        await anext(some)
        batch.stop()
    async with worker(service, dsn, tmp_path / "out", "two") as batch:
        await drain(batch, calls)
    assert await done(dsn) == ["completed"] * COUNT
    assert len(service.records) == COUNT
    assert len(listings) == 2


async def test_who_stops_lets_go_of_what_it_has_not_begun(service, dsn, calls, bucket, tmp_path):  # noqa: F811
    await fill(bucket[0], 4 * COUNT)
    async with worker(service, dsn, tmp_path / "out", "one") as batch:
        outcomes = 0
        async for _ in batch.run([calls]):
            outcomes += 1
            batch.stop()
        assert outcomes < 4 * COUNT
        assert ask(dsn, "SELECT count(*) FROM jobs WHERE owner IS NOT NULL AND open") == [(0,)]


async def test_a_listing_that_fails_is_reported_and_ends(service, dsn, calls, tmp_path):
    async with worker(service, dsn, tmp_path / "out", "one") as batch:
        assert await drain(batch, "s3://there-is-no-such-bucket/calls") == []
        assert [str(one.path) for one in batch.unreadable] == ["s3://there-is-no-such-bucket/calls"]
        assert await batch.count([calls]) is None


async def test_other_sources_of_the_same_journal_are_left_to_those_who_name_them(service, dsn, calls, bucket, tmp_path):  # noqa: F811
    store, address = bucket
    await put(store, **{"calls-of-others/a.wav": b"others"})
    async with worker(service, dsn, tmp_path / "a", "one") as batch:
        assert [one.item.name for one in await drain(batch, f"{address}/calls-of-others")] == ["a.wav"]
    async with worker(service, dsn, tmp_path / "b", "two") as batch:
        assert len(await drain(batch, calls)) == COUNT
    assert len(transcripts(tmp_path / "a")) == 1


async def test_lengths_that_nobody_knows_share_an_allowance(service, dsn, calls, tmp_path):
    """Each takes all that is left while it runs, and gives back what it did not need."""
    async with contextlib.AsyncExitStack() as stack:
        batches = [
            await stack.enter_async_context(
                worker(service, dsn, tmp_path / "out", str(number), allowed=60.0, max_hours=1)
            )
            for number in range(2)
        ]
        for batch in batches:
            batch._ours._beat = 0.05
        ended = await asyncio.gather(*[drain(batch, calls) for batch in batches])
        (taken,) = {await batch._ours.journal.allowance("all") for batch in batches}
    assert sum(len(some) for some in ended) == COUNT
    assert taken == (60.0, 12.0)


async def test_an_allowance_that_is_used_up_ends_the_run(service, dsn, calls, tmp_path):
    async with worker(service, dsn, tmp_path / "out", "one", allowed=3.0, max_hours=1) as batch:
        batch._ours._beat = 0.05
        outcomes = await drain(batch, calls)
        assert batch.exhausted
    # Each second is billed as a whole one.
    assert len(outcomes) == len(service.records) == 3
    assert ask(dsn, "SELECT sum(counted)::float8, count(*) FILTER (WHERE bound) FROM jobs") == [(3.0, 0)]


async def assign(journal, calls, number, version):
    address = f"{calls}/{number:02}.wav"
    await journal.name([Newcomer(address, address, f"{number:02}.wav")])
    found = Recording(address, f"{number:02}.wav", address, content=f"{address}#{version}")
    (job,) = await journal.assign([found], fingerprint(TranscriptionConfig()))
    return job


async def test_replaced_objects_hide_no_others(service, dsn, calls, tmp_path):
    """Their jobs are the oldest free ones, and nobody wants them any more."""
    async with joined(dsn, name="old") as old:
        await old.journal.bind(service.base_url, lasting=True)
        for number in range(COUNT):
            await assign(old.journal, calls, number, "old")
    async with worker(service, dsn, tmp_path / "out", "one") as batch:
        assert len(await drain(batch, calls)) == COUNT
    assert await done(dsn) == ["completed"] * COUNT


async def test_two_configurations_of_one_store_do_not_disturb_each_other(service, dsn, calls, tmp_path):
    other = TranscriptionConfig(speaker_labels=True)
    async with (
        worker(service, dsn, tmp_path / "a", "one") as one,
        worker(service, dsn, tmp_path / "b", "two", config=other) as two,
    ):
        ended = await asyncio.gather(drain(one, calls), drain(two, calls))
    assert [len(outcomes) for outcomes in ended] == [COUNT] * 2
    assert len(service.records) == 2 * COUNT


async def test_what_a_dead_worker_had_reserved_is_given_back(service, dsn, calls, bucket, tmp_path):  # noqa: F811
    """It had reserved all there was, and submitted nothing."""
    (page,) = [page async for page in discovery.recordings(calls, discovery.is_media)]
    async with (
        joined(dsn, name="old", allowed=60, beat=3600) as old,
        worker(service, dsn, tmp_path / "out", "one", allowed=60.0, max_hours=1) as batch,
    ):
        batch._ours._beat = 0.05
        await old.journal.bind(service.base_url, lasting=True)
        job = await assign(old.journal, calls, 0, page[0].content.rpartition("#")[2])
        await old.journal.claim_keys([job.key])
        assert (await old.journal.reserve(job.key, "all", 36_000, is_bound=True)).seconds == 60
        running = asyncio.create_task(drain(batch, calls))
        while batch._ours.journal._committer is None or not ask(dsn, "SELECT 1 FROM jobs WHERE key > 1"):
            await asyncio.sleep(0.05)
        expire(dsn, old.worker.id)
        await batch._ours.worker.beat()
        assert len(await running) == COUNT
        assert await batch._ours.journal.allowance("all") == (60.0, 12.0)


async def test_a_lister_that_gets_no_connection_is_no_end(service, dsn, calls, tmp_path, monkeypatch, listings):
    connect, refused = lister.PostgresStore.connect, []

    def failing(self):
        if threading.current_thread().name.startswith("asyncio") and not refused:
            refused.append(True)
            raise JournalError("db", "too many clients")
        return connect(self)

    async with worker(service, dsn, tmp_path / "out", "one") as batch:
        monkeypatch.setattr(lister.PostgresStore, "connect", failing)
        assert len(await drain(batch, calls)) == COUNT
    assert (refused, listings) == ([True], [calls])

"""What only a journal promises that many processes share."""

import asyncio
import re
import traceback
from dataclasses import replace

import psycopg
import pytest

from asyncscribe import JournalError
from asyncscribe.batch import Newcomer, Recording, SavedState
from asyncscribe.batch.journal.postgres import PostgresJournal, Selection, workers
from asyncscribe.batch.journal.postgres.schema import CREATION_LOCK, MIGRATIONS
from asyncscribe.batch.journal.postgres.workers import ANY
from asyncscribe.errors import AllowanceSpent, LeaseLost
from asyncscribe.policies.backoff import Backoff

SERVICE = "https://service.test"
QUICK = Backoff(0.01, 2.0, 0.1, 0.1)


def ask(dsn, query, *values):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def expire(dsn, worker):
    """Its lease ended a second ago."""
    ask(dsn, "UPDATE workers SET expires = clock_timestamp() - interval '1 s' WHERE id = %s", worker)


async def reap(journal):
    return await journal._do(workers.reap())


class Process:
    """A process that has joined."""

    def __init__(self, dsn, **options):
        self.journal = PostgresJournal(dsn, retries=QUICK, **options)

    async def __aenter__(self):
        await self.journal.__aenter__()
        await self.journal.bind(SERVICE, lasting=True)
        self.id = await self.journal.join("test", "here", 30.0)
        return self.journal

    async def __aexit__(self, *error):
        await self.journal.__aexit__(*error)


@pytest.fixture
async def one(dsn):
    async with Process(dsn) as journal:
        yield journal


@pytest.fixture
async def two(dsn):
    async with Process(dsn) as journal:
        yield journal


async def put(journal, count, config="c", identity="https://a.test/{}"):
    """So many recordings with jobs that nobody has."""
    identities = [identity.format(number) for number in range(count)]
    entries = await journal.name([Newcomer(name, name, name.removeprefix("https://")) for name in identities])
    recordings = [
        Recording(e.recording.identity, e.recording.name, e.recording.source, content=f"url:{e.recording.name}")
        for e in entries
    ]
    return await journal.assign(recordings, config)


def keys(claims):
    return {claim.job.key for claim in claims}


# The tables, and the address.


async def test_two_first_starts_at_once_make_one_schema(empty):
    async with asyncio.timeout(30):
        with psycopg.connect(empty) as connection:
            # Both have come as far as this before either goes on.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (CREATION_LOCK,))
            journals = [PostgresJournal(empty) for _ in range(2)]
            opening = [asyncio.create_task(journal.__aenter__()) for journal in journals]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while (await asyncio.to_thread(ask, empty, waiting)) != [(2,)]:
                await asyncio.sleep(0.01)
        await asyncio.gather(*opening)
    for journal in journals:
        await journal.__aexit__(None, None, None)
    assert ask(empty, "SELECT value FROM facts WHERE name = 'version'") == [(str(len(MIGRATIONS)),)]


async def test_a_later_version_is_not_touched(dsn):
    ask(dsn, "UPDATE facts SET value = '99' WHERE name = 'version'")
    for options in ({}, {"read_only": True}):
        with pytest.raises(JournalError, match="upgrade"):
            async with PostgresJournal(dsn, **options):
                pass


async def test_a_copy_that_took_its_place_is_used_only_if_that_is_said(dsn):
    ask(dsn, "UPDATE facts SET value = '000000FF' WHERE name = 'timeline'")
    with pytest.raises(JournalError, match="batch recover"):
        async with PostgresJournal(dsn):
            pass
    async with PostgresJournal(dsn, renew=True):
        pass
    async with PostgresJournal(dsn):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://bob:sekret@127.0.0.1:1/calls",
        "postgresql://bob:sekret@[::1/calls",
        "postgresql//bob:sekret@127.0.0.1:1/calls",
        "postgresql://bob:sekret @127.0.0.1:1/calls",
        "host=127.0.0.1 port=1 dbname=calls user=bob password=sekret",
    ],
)
async def test_no_error_shows_the_address(address, caplog):
    with pytest.raises(JournalError) as told:
        async with PostgresJournal(address):
            pass
    shown = "".join(traceback.TracebackException.from_exception(told.value, capture_locals=True).format())
    assert "sekret" not in str(told.value) + repr(told.value) + caplog.text
    assert "bob" not in str(told.value)
    assert "During handling" not in shown


async def test_the_host_and_the_database_are_named(postgres):
    with pytest.raises(JournalError, match=r"postgresql://127.0.0.1/calls can't be used: .*refused"):
        async with PostgresJournal("postgresql://bob:sekret@127.0.0.1:1/calls"):
            pass
    with pytest.raises(JournalError, match='database "none" does not exist'):
        async with PostgresJournal(postgres.dsn("none")):
            pass


# Claims.


async def test_a_job_is_claimed_by_one(one, two):
    jobs = await put(one, 50)
    mine, yours = await asyncio.gather(one.claim(30), two.claim(30))
    assert len(mine) + len(yours) == 50
    assert keys(mine).isdisjoint(keys(yours))
    assert keys(mine) | keys(yours) == {job.key for job in jobs}
    assert await one.claim(10) == await two.claim(10) == []


async def test_a_claim_says_which_recordings_wait_for_the_job(one):
    (job,) = await put(one, 1)
    (claim,) = await one.claim(10)
    assert claim.job.key == job.key
    assert [entry.recording.identity for entry in claim.entries] == ["https://a.test/0"]
    assert (claim.lost_at, claim.lost_ago) == (None, None)


async def test_only_jobs_of_the_bound_service_and_the_asked_for_configuration_are_claimed(one, two):
    await put(one, 1, "c")
    (other,) = await put(one, 1, "d")
    await one.bind("https://elsewhere.test", lasting=True)
    await put(one, 1, "c")
    assert keys(await two.claim(10, Selection("d"))) == {other.key}


async def test_a_local_files_job_is_claimed_on_its_host_until_it_is_uploaded(dsn):
    async with Process(dsn, host="a") as here, Process(dsn, host="b") as outputs_exist:
        (job,) = await put(here, 1, identity="/calls/{}.wav")
        assert await outputs_exist.claim(10) == []
        assert len(await here.claim(10)) == 1
        await here.uploaded(job.key, "https://u.test/1", {})
        await here.leave()
        assert len(await outputs_exist.claim(10)) == 1


async def test_jobs_that_a_process_found_itself_are_its_own_unless_another_has_them(one, two):
    jobs = await put(one, 3)
    wanted = [job.key for job in jobs]
    assert keys(await two.claim_keys(wanted[:1])) == set(wanted[:1])
    assert keys(await one.claim_keys(wanted)) == set(wanted[1:])
    assert keys(await one.claim_keys(wanted)) == set(wanted[1:])


async def test_what_is_finished_is_not_claimed_but_by_who_asks_for_it(one, two):
    (job,) = await put(one, 1)
    await one.claim(1)
    await one.completed(job.key, {}, 1.0, {})
    assert await two.claim(10) == []
    (claim,) = await two.claim_keys([job.key])
    assert claim.job.step is SavedState.COMPLETED
    with pytest.raises(LeaseLost):
        await one.completed(job.key, {}, 1.0, {})


async def test_a_claim_by_a_worker_whose_lease_is_over_fails(dsn, one):
    await put(one, 3)
    expire(dsn, one._worker)
    with pytest.raises(LeaseLost, match="can claim no jobs"):
        await one.claim(1)
    with pytest.raises(LeaseLost, match="can claim no jobs"):
        await one.claim_keys([1])
    assert ask(dsn, "SELECT count(*) FROM jobs WHERE owner IS NOT NULL") == [(0,)]


async def test_what_a_claim_got_whose_answer_was_lost_is_told_by_the_next(one):
    jobs = await put(one, 30)
    first = await one.claim(5)
    lost = asyncio.create_task(one.claim(10))
    while one._committer._committing is None:
        await asyncio.sleep(0)
    lost.cancel()
    claims = await one.claim(4)
    assert len(claims) == 4
    assert keys(first).isdisjoint(keys(claims))
    claims += await one.claim(20)
    claims += await one.claim(20)
    assert keys(first) | keys(claims) == {job.key for job in jobs}


# Fences.


STEPS = {
    "uploaded": lambda journal, key: journal.uploaded(key, "u", {}),
    "submitting": lambda journal, key: journal.submitting(key, "u", 1.0, {}),
    "submitting at a cost": lambda journal, key: journal.submitting(key, "u", 1.0, {}, run="r", seconds=1.0),
    "refused": lambda journal, key: journal.refused(key),
    "submitted": lambda journal, key: journal.submitted(key, "t-1", {}),
    "completed": lambda journal, key: journal.completed(key, {"https://a.test/0": ["json"]}, 1.0, {}),
    "failed": lambda journal, key: journal.failed(key, "no", "input", {}),
    "begin_again": lambda journal, key: journal.begin_again(key),
    "adopt": lambda journal, key: journal.adopt(key, "t-1", "u"),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_of_a_worker_that_has_lost_the_job_changes_nothing(dsn, one, two, step):
    (job,) = await put(one, 1)
    await one.allow("r", 100.0)
    await one.claim(1)
    expire(dsn, one._worker)
    assert await reap(two) == 1
    await two.claim(1)
    before = ask(dsn, "SELECT * FROM jobs"), ask(dsn, "SELECT * FROM recordings"), ask(dsn, "SELECT * FROM budgets")
    with pytest.raises(LeaseLost, match=f"does not have job {job.key} any more"):
        await STEPS[step](one, job.key)
    await one.timed(job.key, {"a": 1.0})
    assert await one.alive()
    after = ask(dsn, "SELECT * FROM jobs"), ask(dsn, "SELECT * FROM recordings"), ask(dsn, "SELECT * FROM budgets")
    assert after == before
    await STEPS[step](two, job.key)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "submitting at a cost"])
async def test_a_step_that_is_done_twice_is_done_once(dsn, one, step):
    """What a connection that broke left unknown is told again."""
    (job,) = await put(one, 1)
    await one.claim(1)
    await STEPS[step](one, job.key)
    before = ask(dsn, "SELECT step, ids, doubtful_url, owner, finisher FROM jobs")
    await STEPS[step](one, job.key)
    assert ask(dsn, "SELECT step, ids, doubtful_url, owner, finisher FROM jobs") == before


async def test_one_that_has_lost_its_job_spoils_no_others_step(one, two):
    first, second = await put(one, 2)
    await one.claim_keys([first.key])
    await two.claim_keys([second.key])
    results = await asyncio.gather(
        one.submitting(second.key, "u", 1.0, {}), one.submitting(first.key, "u", 1.0, {}), return_exceptions=True
    )
    assert [type(result) for result in results] == [LeaseLost, type(None)]


async def test_what_the_database_refuses_spoils_no_others_step(one):
    first, second = await put(one, 2)
    await one.claim(2)
    results = await asyncio.gather(
        one.submitting(first.key, "u\0", 1.0, {}), one.submitting(second.key, "u", 1.0, {}), return_exceptions=True
    )
    assert [type(result) for result in results] == [JournalError, type(None)]


async def test_a_process_that_has_not_joined_can_tell_no_step(one, dsn):
    (job,) = await put(one, 1)
    async with PostgresJournal(dsn) as journal:
        with pytest.raises(JournalError, match="has not joined"):
            await journal.submitting(job.key, "u", 1.0, {})
    with pytest.raises(JournalError, match="open another journal"):
        await one.join("test", "here", 30.0)


async def test_what_was_paid_by_a_worker_that_had_lost_the_job_is_kept(dsn, one, two):
    (job,) = await put(one, 1)
    await one.claim(1)
    expire(dsn, one._worker)
    await reap(two)
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await one.submitted(job.key, "t-1", {})
    (stray,) = await two.strays()
    assert (stray.job, stray.id, stray.worker) == (job.key, "t-1", one._worker)
    # Its new owner finds it, so that it is no stray any more.
    await two.claim(1)
    await two.submitted(job.key, "t-1", {})
    assert await two.strays() == []


# Reaping.


async def test_a_dead_workers_jobs_are_freed_and_the_finished_ones_left(dsn, one, two):
    first, second, third = await put(one, 3)
    await one.claim(3)
    await one.completed(third.key, {}, 1.0, {})
    assert await reap(two) == 0
    expire(dsn, one._worker)
    assert await reap(two) == 2
    assert keys(await two.claim(10)) == {first.key, second.key}


async def test_a_claim_that_is_committed_after_the_reaping_is_freed_by_the_next(dsn, one, two):
    (job,) = await put(one, 1)
    expire(dsn, one._worker)
    await reap(two)
    ask(dsn, "UPDATE jobs SET owner = %s", one._worker)
    assert await reap(two) == 1
    assert keys(await two.claim(1)) == {job.key}


async def test_who_waits_for_a_claims_commit_is_not_held_up(dsn, one, two):
    """A worker that stands still within a claim holds locks: reaping leaves those for later."""
    expire(dsn, one._worker)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT 1 FROM workers WHERE id = %s FOR SHARE", (one._worker,))
        async with asyncio.timeout(5):
            assert await reap(two) == 0
        assert ask(dsn, "SELECT ended FROM workers WHERE id = %s", one._worker) == [(False,)]
    await reap(two)
    assert ask(dsn, "SELECT ended FROM workers WHERE id = %s", one._worker) == [(True,)]


async def test_who_takes_over_a_doubt_hears_when_the_lease_ended_by_the_databases_clock(dsn, one, two):
    (job,) = await put(one, 1)
    await one.claim(1)
    await one.submitting(job.key, "u", 1700000000.5, {})
    ask(dsn, "UPDATE workers SET expires = clock_timestamp() - interval '90 s' WHERE id = %s", one._worker)
    ((expires,),) = ask(dsn, "SELECT extract(epoch FROM expires)::float8 FROM workers WHERE id = %s", one._worker)
    await reap(two)
    (claim,) = await two.claim(1)
    assert (claim.job.step, claim.job.doubtful_url, claim.job.doubtful_since) == (
        SavedState.SUBMITTING,
        "u",
        1700000000.5,
    )
    assert claim.lost_at == pytest.approx(expires, abs=0.001)
    assert claim.lost_ago == pytest.approx(90, abs=20)
    await two.refused(job.key)
    await two.leave()
    async with Process(dsn) as three:
        (claim,) = await three.claim(1)
        assert (claim.lost_at, claim.lost_ago) == (None, None)


async def test_who_leaves_has_its_jobs_done_by_others_at_once(dsn, one, two):
    await put(one, 3)
    assert len(await one.claim(3)) == 3
    await one.leave()
    assert len(await two.claim(3)) == 3
    assert [member.id for member in await two.alive()] == [two._worker]


async def test_those_alive_are_told_with_their_jobs(dsn, one, two):
    await put(one, 3)
    await one.claim(2)
    first, second = await two.alive()
    assert (first.id, first.name, first.host, first.jobs, second.jobs) == (one._worker, "test", "here", 2, 0)
    assert first.expires == pytest.approx(20, abs=11)


# Budgets.


async def taken(journal):
    return (await journal.allowance("r"))[1]


async def test_a_run_gets_no_more_than_it_may(one):
    jobs = await put(one, 4)
    await one.claim(4)
    await one.allow("r", 100.0)
    await one.submitting(jobs[0].key, "u", 1.0, {}, run="r", seconds=60.5)
    with pytest.raises(AllowanceSpent):
        await one.submitting(jobs[1].key, "u", 1.0, {}, run="r", seconds=60.0)
    await one.submitting(jobs[2].key, "u", 1.0, {}, run="r", seconds=39.5)
    with pytest.raises(AllowanceSpent):
        await one.submitting(jobs[3].key, "u", 1.0, {}, run="r", seconds=0.001)
    assert await one.allowance("r") == (100.0, 100.0)
    steps = [entry.job.step async for entry in one.all()]
    assert steps == [SavedState.SUBMITTING, SavedState.FOUND, SavedState.SUBMITTING, SavedState.FOUND]


async def test_what_is_refused_or_fails_is_given_back(one):
    first, second = await put(one, 2)
    await one.claim(2)
    await one.allow("r", 100.0)
    await one.submitting(first.key, "u", 1.0, {}, run="r", seconds=60.0)
    await one.submitting(second.key, "u", 1.0, {}, run="r", seconds=30.0)
    for _ in range(2):
        await one.refused(first.key)
        assert await taken(one) == 30.0
    for _ in range(2):
        await one.failed(second.key, "no", "input", {})
        assert await taken(one) == 0.0


async def test_a_job_is_counted_once_however_often_it_is_submitted(one):
    (job,) = await put(one, 1)
    await one.claim(1)
    await one.allow("r", 60.0)
    for number in range(3):
        await one.submitting(job.key, "u", 1.0, {}, run="r", seconds=60.0)
        await one.submitted(job.key, f"t-{number}", {})
    assert await taken(one) == 60.0
    await one.settle(job.key, 12.5)
    await one.completed(job.key, {}, 12.5, {})
    assert await taken(one) == 12.5


async def test_what_a_dead_worker_took_is_given_back_by_who_finds_nothing(dsn, one, two):
    (job,) = await put(one, 1)
    await one.claim(1)
    await one.allow("r", 60.0)
    await one.submitting(job.key, "u", 1.0, {}, run="r", seconds=60.0)
    expire(dsn, one._worker)
    await reap(two)
    await two.claim(1)
    with pytest.raises(LeaseLost):
        await one.refused(job.key)
    assert await taken(two) == 60.0
    await two.allow("s", 60.0)
    await two.submitting(job.key, "u", 1.0, {}, run="s", seconds=50.0)
    assert (await taken(two), await two.allowance("s")) == (0.0, (60.0, 50.0))


async def test_many_at_once_take_no_more_than_there_is(dsn, one):
    await put(one, 120)
    await one.allow("r", 200.0)

    async def work(number):
        async with Process(dsn) as journal:
            claims = await journal.claim(30)

            async def submit(claim):
                try:
                    await journal.submitting(claim.job.key, "u", 1.0, {}, run="r", seconds=3.7)
                except AllowanceSpent:
                    return
                if claim.job.key % 3 == 0:
                    await journal.refused(claim.job.key)

            await asyncio.gather(*[submit(claim) for claim in claims])

    await asyncio.gather(*[work(number) for number in range(4)])
    ((total,),) = ask(dsn, "SELECT sum(counted)::float8 FROM jobs")
    assert await taken(one) == pytest.approx(total)
    assert 200 - 3.7 * 41 <= total <= 200


# Claims in a large journal.


def fill(dsn, count):
    """Half of them are done when the database last looked, and now those are as well that come first."""
    ask(
        dsn,
        "INSERT INTO jobs (service, content, config, step) SELECT %s, 'url:' || n, 'c', "
        "CASE WHEN n %% 2 = 0 THEN 'completed' ELSE 'found' END FROM generate_series(1, %s) AS n",
        SERVICE,
        count,
    )
    ask(dsn, "VACUUM ANALYZE jobs")
    ask(dsn, "UPDATE jobs SET step = 'completed' WHERE key <= %s", count // 2)


async def test_a_claim_does_not_walk_over_jobs_that_are_done(dsn, one):
    fill(dsn, 40_000)
    values = {"worker": one._worker, "service": SERVICE, "host": None, "limit": 200} | ANY.values()
    with psycopg.connect(dsn) as connection:
        shown = "\n".join(row[0] for row in connection.execute("EXPLAIN ANALYZE " + workers._CLAIM, values))
    assert "jobs_free" in shown
    assert max(map(int, re.findall(r"Rows Removed by Filter: (\d+)", shown)), default=0) < 200
    assert len(await one.claim(200)) == 200


async def test_the_tables_of_an_earlier_version_are_brought_up_to_date(dsn):
    async with Process(dsn) as journal:
        jobs = await put(journal, 3)
    ask(dsn, "DROP INDEX jobs_free")
    ask(dsn, "ALTER TABLE jobs DROP COLUMN bound")
    ask(dsn, "CREATE INDEX jobs_free ON jobs (service, key) WHERE owner IS NULL AND open")
    ask(dsn, "UPDATE facts SET value = '1' WHERE name = 'version'")
    async with Process(dsn) as journal:
        assert keys(await journal.claim(3)) == {job.key for job in jobs}
    ((index,),) = ask(dsn, "SELECT indexdef FROM pg_indexes WHERE indexname = 'jobs_free'")
    assert "key + 0" in index


# The lister.


async def test_one_process_at_a_time_is_the_lister(one, two):
    async with one.lister("a") as first, two.lister("a") as second:
        assert (first, second) == (True, False)
    async with two.lister("a", ping=0.01) as again:
        assert again


async def test_a_lister_whose_connection_is_gone_is_followed_by_another(dsn, one, two):
    async with one.lister("a", ping=0.01) as first:
        assert first
        ask(dsn, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        async with asyncio.timeout(10):
            while True:
                async with two.lister("a") as second:
                    if second:
                        break


# The database is away.


async def test_steps_go_on_after_the_database_was_away(fragile):
    async with Process(fragile.database()) as journal:
        jobs = await put(journal, 20)
        await journal.claim(20)
        for job in jobs[:10]:
            await journal.submitting(job.key, "u", 1.0, {})
        fragile.stop()
        waiting = [asyncio.create_task(journal.submitted(job.key, f"t-{job.key}", {})) for job in jobs[:10]]
        waiting += [asyncio.create_task(journal.submitting(job.key, "u", 1.0, {})) for job in jobs[10:]]
        await asyncio.sleep(0)
        await asyncio.to_thread(fragile.start)
        async with asyncio.timeout(30):
            await asyncio.gather(*waiting)
        steps = {entry.job.key: entry.job.step async for entry in journal.all()}
        assert [steps[job.key] for job in jobs] == [SavedState.SUBMITTED] * 10 + [SavedState.SUBMITTING] * 10


async def test_that_a_submission_begins_is_never_lost(fragile):
    dsn = fragile.database()
    for _ in range(3):
        async with Process(dsn) as journal:
            jobs = await put(journal, 30)
            await journal.claim_keys([job.key for job in jobs])
            told = set()

            async def run(job, journal=journal, told=told):
                await journal.submitting(job.key, "u", 1.0, {})
                told.add(job.key)
                await journal.submitted(job.key, "t-1", {})

            running = [asyncio.create_task(run(job)) for job in jobs]
            while not told:
                await asyncio.sleep(0)
            fragile.stop()
            before = set(told)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await asyncio.to_thread(fragile.start)
        kept = {key for (key,) in ask(dsn, "SELECT key FROM jobs WHERE step IN ('submitting', 'submitted')")}
        assert before <= kept
        ask(dsn, "UPDATE jobs SET step = 'found', owner = NULL, ids = '[]'")


async def test_a_caller_can_stop_waiting_for_a_database_that_is_away(fragile):
    async with Process(fragile.database()) as journal:
        (job,) = await put(journal, 1)
        await journal.claim(1)
        fragile.stop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await journal.submitting(job.key, "u", 1.0, {})
        await asyncio.to_thread(fragile.start)
        (entry,) = [entry async for entry in journal.all()]
        assert entry.job.step is SavedState.FOUND


async def test_recordings_are_counted_by_the_last_step_of_their_job(one):
    assert not await one.counts()
    names = ["a", "b", "c"]
    entries = await one.name([Newcomer(f"/{name}.wav", f"{name}.wav", f"{name}.wav") for name in names])
    assert await one.counts() == {None: 3}
    found = [replace(entry.recording, content=f"sha256:{name}") for entry, name in zip(entries, names, strict=True)]
    await one.assign(found[:2], "config")
    assert await one.counts() == {SavedState.FOUND: 2, None: 1}

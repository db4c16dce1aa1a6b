"""The lease of a worker, with a clock that the tests set."""

import asyncio
import math

import psycopg
import pytest

from asyncscribe import JournalError
from asyncscribe.batch.cluster.leases import Worker, boottime
from asyncscribe.batch.journal.postgres import PostgresJournal


def ask(dsn, query, *values):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def journal(dsn):
    async with PostgresJournal(dsn) as opened:
        await opened.bind("https://service.test", lasting=True)
        yield opened


def worker(journal, clock=boottime, name="test", **options):
    return Worker(journal, name, "here", **({"beat": 3600.0} | options), clock=clock)


async def test_a_lease_is_held_until_shortly_before_its_end(journal, clock):
    async with worker(journal, clock) as held:
        assert held.is_held()
        clock.now += 26.9
        assert held.is_held()
        clock.now += 0.2
        assert not held.is_held()


async def test_a_beat_renews_it_from_the_moment_before_it_was_sent(journal, clock, monkeypatch):
    async with worker(journal, clock) as held:
        clock.now += 20
        transact = held._transact

        def slow(works):
            result = transact(works)
            clock.now += 10
            return result

        monkeypatch.setattr(held, "_transact", slow)
        # Ten seconds for the beat, and ten for the reaping.
        assert await held.beat() == 1
        clock.now += 6.9
        assert held.is_held()
        clock.now += 0.2
        assert not held.is_held()


async def test_a_machine_that_slept_does_not_hold_it(journal, clock):
    async with worker(journal, clock) as held:
        clock.now += 3600
        assert not held.is_held()


async def test_a_lease_that_is_over_by_the_databases_clock_is_lost_for_good(dsn, journal, clock):
    async with worker(journal, clock) as held:
        ask(dsn, "UPDATE workers SET expires = clock_timestamp() - interval '1 s'")
        assert await held.beat() == 0
        assert not held.is_held()
        async with asyncio.timeout(5):
            await held.lost.wait()
        ask(dsn, "UPDATE workers SET expires = clock_timestamp() + interval '1 h', ended = FALSE")
        await held.beat()
        assert not held.is_held()


async def test_workers_beat_by_themselves(dsn, journal):
    async with worker(journal, lease=60.0, beat=0.01) as held:
        assert ask(dsn, "UPDATE workers SET expires = clock_timestamp() + interval '1 s'") == 1
        async with asyncio.timeout(10):
            while (await journal.alive())[0].expires < 30:
                await asyncio.sleep(0.01)
        assert [member.id for member in await journal.alive()] == [held.id]


async def test_a_beat_tells_how_many_are_alive_and_frees_what_the_dead_had(dsn, journal):
    async with worker(journal) as first, PostgresJournal(dsn) as other:
        second = worker(other)
        await second.__aenter__()
        assert await first.beat() == 2
        assert first.alive == 2
        ask(dsn, "INSERT INTO jobs (service, content, config, owner) VALUES ('s', 'c', 'f', %s)", second.id)
        ask(dsn, "UPDATE workers SET expires = clock_timestamp() - interval '1 s' WHERE id = %s", second.id)
        assert await first.beat() == 1
        assert ask(dsn, "SELECT owner, freed IS NOT NULL FROM jobs") == [(None, True)]
        assert await second.beat() == 0
        await second.__aexit__(None, None, None)


async def test_who_leaves_holds_nothing_and_is_not_alive(dsn, journal):
    async with worker(journal) as left:
        pass
    assert not left.is_held()
    assert await journal.alive() == []
    assert ask(dsn, "SELECT ended FROM workers") == [(True,)]


async def test_numbers_are_never_given_twice(dsn):
    seen = []
    for _ in range(3):
        async with PostgresJournal(dsn) as journal, worker(journal) as joined:
            seen.append(joined.id)
        ask(dsn, "DELETE FROM workers")
    assert seen == sorted(set(seen))


async def test_a_beat_that_can_not_be_sent_renews_nothing(dsn, journal, clock, monkeypatch):
    async with worker(journal, clock) as held:

        def refuse():
            raise JournalError("postgresql://db.test/calls", "no connection could be made")

        monkeypatch.setattr(journal, "connect", refuse)
        clock.now += 20
        with pytest.raises(JournalError, match="no connection"):
            await held.beat()
        assert held.is_held()
        clock.now += 10
        assert not held.is_held()


async def test_a_broken_connection_is_made_again(dsn, journal):
    async with worker(journal) as held:
        await held.beat()
        held._connection.close()
        assert await held.beat() == 1
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s"
        ask(dsn, terminate, held._connection.info.backend_pid)
        with pytest.raises(JournalError):
            await held.beat()
        assert await held.beat() == 1


def test_the_clock_goes_on():
    assert boottime() <= boottime() < math.inf

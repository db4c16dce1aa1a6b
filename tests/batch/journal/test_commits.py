"""Group commit, over a store that keeps its transactions in a list."""

import asyncio
import threading

import pytest

from asyncscribe.batch.journal.commits import LINGER, Away, Committer, Refusal
from asyncscribe.policies.backoff import Backoff

pytestmark = pytest.mark.looptime


class Memory:
    """A store of numbers. It fails with what `errors` has, one after the other."""

    def __init__(self):
        self.transactions = []
        self.errors = []
        self.threads = set()
        self.calls = []

    def open(self):
        self.threads.add(threading.current_thread())
        self.calls.append("open")
        if self.errors:
            raise self.errors.pop(0)

    def close(self):
        self.threads.add(threading.current_thread())
        self.calls.append("close")

    def transact(self, works, *, durable):
        self.threads.add(threading.current_thread())
        self.calls.append("transact")
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        self.transactions.append((list(works), durable))
        return [Refusal(ValueError(str(work))) if work < 0 else 10 * work for work in works]


@pytest.fixture
def store():
    return Memory()


@pytest.fixture
async def committer(store):
    committer = Committer(store, "test", Backoff(1.0, 2.0, 8.0, 0.0))
    await committer.open()
    yield committer
    await committer.close()


async def test_steps_that_wait_for_others_share_a_commit(store, committer):
    results = await asyncio.gather(*[committer.do(number, linger=LINGER) for number in range(5)])
    assert results == [0, 10, 20, 30, 40]
    assert store.transactions == [([0, 1, 2, 3, 4], False)]


async def test_one_that_must_last_makes_the_commit_of_all_last(store, committer):
    await asyncio.gather(committer.do(1, linger=LINGER), committer.do(2, durable=True, linger=LINGER))
    await committer.do(3)
    assert store.transactions == [([1, 2], True), ([3], False)]


async def test_what_was_told_before_is_done_before(store, committer):
    committer.note(1)
    await committer.do(2)
    assert store.transactions == [([1, 2], False)]


async def test_a_note_is_written_without_anybody_waiting(store, committer):
    committer.note(1)
    await asyncio.sleep(1)
    assert store.transactions == [([1], False)]


async def test_a_refused_step_fails_alone(store, committer):
    results = await asyncio.gather(*[committer.do(n, linger=LINGER) for n in (1, -2, 3)], return_exceptions=True)
    assert [results[0], repr(results[1]), results[2]] == [10, "ValueError('-2')", 30]


async def test_a_note_that_could_not_be_written_is_told_to_whoever_comes_next(store, committer):
    store.errors = [OSError("full")]
    committer.note(1)
    await asyncio.sleep(1)
    with pytest.raises(OSError, match="full"):
        committer.note(2)
    with pytest.raises(OSError, match="full"):
        await committer.do(3)


async def test_an_error_is_told_to_all_who_wait(store, committer):
    store.errors = [OSError("full")]
    results = await asyncio.gather(*[committer.do(n, linger=LINGER) for n in (1, 2)], return_exceptions=True)
    assert [str(result) for result in results] == ["full", "full"]
    assert await committer.do(3) == 30


async def test_a_database_that_is_away_is_waited_for(store, committer):
    store.errors = [Away(OSError("away"))] * 3
    before = asyncio.get_running_loop().time()
    assert await committer.do(1) == 10
    assert asyncio.get_running_loop().time() - before == pytest.approx(1 + 2 + 4, abs=0.1)


async def test_what_comes_while_it_is_away_waits_in_turn(store, committer):
    store.errors = [Away(OSError("away"))]
    first = asyncio.create_task(committer.do(1))
    await asyncio.sleep(0.5)
    assert await asyncio.gather(committer.do(2), first) == [20, 10]
    assert store.transactions == [([1, 2], False)]
    assert store.calls.count("transact") == 2


async def test_who_waits_no_more_has_nothing_done_once_it_is_back(store, committer):
    store.errors = [Away(OSError("away"))] * 2
    waiting = asyncio.create_task(committer.do(1))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.sleep(20)
    assert store.transactions == []
    assert store.calls.count("transact") == 2
    assert await committer.do(2) == 20


async def test_at_the_end_all_notes_are_written(store):
    committer = Committer(store, "test")
    await committer.open()
    committer.note(1)
    await committer.close()
    assert store.transactions == [([1], False)]
    assert store.calls == ["open", "transact", "close"]


async def test_at_the_end_a_database_that_is_away_is_not_waited_for(store):
    committer = Committer(store, "test", Backoff(100.0, 2.0, 100.0, 0.0))
    await committer.open()
    store.errors = [Away(OSError("away"))] * 9
    waiting = asyncio.create_task(committer.do(1))
    await asyncio.sleep(10)
    await committer.close()
    with pytest.raises(OSError, match="away"):
        await waiting
    assert store.calls == ["open", "transact", "transact", "close"]


async def test_all_is_done_on_one_thread_which_is_not_the_loops(store, committer):
    await committer.do(1)
    assert len(store.threads) == 1
    assert threading.current_thread() not in store.threads


async def test_one_that_can_not_be_opened_leaves_no_thread(store):
    store.errors = [OSError("no")]
    with pytest.raises(OSError, match="no"):
        await Committer(store, "test of opening").open()
    for thread in store.threads:
        thread.join(5)
        assert not thread.is_alive()

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncscribe.engine.limiter import Limiter, LimiterStatistics
from asyncscribe.policies.limits import Evidence, FixedLimit


class Told:
    """A limit that is whatever the test says."""

    def __init__(self, limit: int) -> None:
        self.initial = self.next = limit
        self.looks: list[Evidence] = []

    def update(self, look: Evidence) -> int:
        self.looks.append(look)
        return self.next


def observe(limiter, **evidence):
    limiter.observe(Evidence(**{"now": 0.0, "processing": 0, "queued": 0, **evidence}))


async def test_slots_are_held_and_returned():
    limiter = Limiter(FixedLimit(2))
    async with limiter.slot("a"), limiter.slot("b"):
        assert limiter.statistics() == LimiterStatistics(limit=2, held=2, waiting=0)
        with anyio.move_on_after(0) as scope:
            await limiter.acquire("c")
        assert scope.cancelled_caught
    assert limiter.statistics() == LimiterStatistics(limit=2, held=0, waiting=0)
    assert repr(limiter) == "<Limiter 0 of 2 held, 0 waiting>"


async def test_a_borrower_can_not_hold_two_nor_return_what_is_not_held():
    limiter = Limiter(FixedLimit(2))
    async with limiter.slot("a"):
        with pytest.raises(RuntimeError, match="holds a slot already"):
            await limiter.acquire("a")
    with pytest.raises(RuntimeError, match="holds no slot"):
        limiter.release("a")


async def test_the_highest_priority_goes_first_and_equals_in_their_order():
    limiter = Limiter(FixedLimit(1))
    order = []

    async def take(name, priority):
        async with limiter.slot(name, priority):
            order.append(name)

    await limiter.acquire("first")
    async with anyio.create_task_group() as group:
        for name, priority in [("batch 1", 0), ("batch 2", 0), ("urgent", 9), ("later", -1), ("batch 3", 0)]:
            group.start_soon(take, name, priority)
        await anyio.wait_all_tasks_blocked()
        limiter.release("first")
    assert order == ["urgent", "batch 1", "batch 2", "batch 3", "later"]


async def test_a_cancelled_waiter_is_forgotten():
    limiter = Limiter(FixedLimit(1))
    await limiter.acquire("a")
    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire, "b")
        await anyio.wait_all_tasks_blocked()
        assert limiter.statistics().waiting == 1
        group.cancel_scope.cancel()
    assert limiter.statistics() == LimiterStatistics(limit=1, held=1, waiting=0)
    limiter.release("a")
    await limiter.acquire("c")


async def test_a_slot_handed_to_a_waiter_that_is_cancelled_in_the_same_moment_goes_on():
    limiter = Limiter(FixedLimit(1))
    await limiter.acquire("a")
    unlucky = asyncio.create_task(limiter.acquire("b"))
    lucky = asyncio.create_task(limiter.acquire("c"))
    await anyio.wait_all_tasks_blocked()
    limiter.release("a")
    unlucky.cancel()
    await lucky
    with pytest.raises(asyncio.CancelledError):
        await unlucky
    assert limiter.statistics() == LimiterStatistics(limit=1, held=1, waiting=0)


async def test_a_lowered_limit_lets_nobody_in_until_enough_came_back():
    policy, changes = Told(3), []
    limiter = Limiter(policy, changes.append)
    for name in "abc":
        await limiter.acquire(name)
    policy.next = 1
    observe(limiter, queued=2)
    waiting = asyncio.create_task(limiter.acquire("d"))
    await anyio.wait_all_tasks_blocked()
    for name in "ab":
        limiter.release(name)
        await checkpoint()
        assert not waiting.done()
    limiter.release("c")
    await waiting
    assert changes == [1]


async def test_a_raised_limit_lets_waiters_in_at_once():
    policy = Told(1)
    limiter = Limiter(policy)
    await limiter.acquire("a")
    waiting = [asyncio.create_task(limiter.acquire(name)) for name in "bc"]
    await anyio.wait_all_tasks_blocked()
    policy.next = 3
    observe(limiter)
    await asyncio.gather(*waiting)
    assert limiter.limit == 3


async def test_the_policy_hears_that_somebody_was_blocked_since_the_last_look():
    policy = Told(1)
    limiter = Limiter(policy)
    await limiter.acquire("a")
    waiting = asyncio.create_task(limiter.acquire("b"))
    await anyio.wait_all_tasks_blocked()
    limiter.release("a")
    await waiting
    observe(limiter, processing=1)
    observe(limiter, processing=1)
    assert [look.wanted for look in policy.looks] == [1, 0]


class LimiterMachine(RuleBasedStateMachine):
    """Whatever is borrowed, returned, cancelled and changed in whatever order: the accounts agree with a model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.policy = Told(2)
        self.limiter = Limiter(self.policy)
        self.tasks: dict[int, asyncio.Task] = {}
        self.held: set[int] = set()
        self.number = 0

    def settle(self) -> None:
        async def rounds() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        self.loop.run_until_complete(rounds())
        for number, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[number]
                if not task.cancelled():
                    task.result()
                    self.held.add(number)

    @rule(priority=st.integers(-2, 2))
    def borrow(self, priority):
        self.number += 1
        self.tasks[self.number] = self.loop.create_task(self.limiter.acquire(self.number, priority))
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data):
        number = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(number)
        self.limiter.release(number)
        self.settle()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data):
        self.tasks[data.draw(st.sampled_from(sorted(self.tasks)))].cancel()
        self.settle()

    @precondition(lambda self: self.held and self.tasks)
    @rule(data=st.data())
    def give_back_and_cancel_at_once(self, data):
        number = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(number)
        self.limiter.release(number)
        self.tasks[data.draw(st.sampled_from(sorted(self.tasks)))].cancel()
        self.settle()

    @rule(limit=st.integers(1, 5))
    def change(self, limit):
        self.policy.next = limit
        observe(self.limiter)
        self.settle()

    @invariant()
    def nobody_waits_while_there_is_a_slot_and_the_counts_are_right(self):
        statistics = self.limiter.statistics()
        assert statistics.held == len(self.held)
        assert statistics.waiting == len(self.tasks)
        assert not self.tasks or statistics.held >= statistics.limit

    def teardown(self):
        for task in self.tasks.values():
            task.cancel()
        self.settle()
        self.loop.close()


LimiterMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, derandomize=True)
TestLimiterMachine = LimiterMachine.TestCase

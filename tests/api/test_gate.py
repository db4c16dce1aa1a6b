import asyncio
import random

import anyio
import pytest

from asyncscribe import HttpBudget, NotOpen
from asyncscribe.api.gate import Gate
from asyncscribe.events import RequestsPaused
from asyncscribe.policies.request_rate import Lane
from asyncscribe.policies.retry import RetryBudget

pytestmark = pytest.mark.looptime


@pytest.fixture
def make():
    made = []

    def make(*arguments, **options) -> Gate:
        gate = Gate(*arguments, **options)
        gate.open()
        made.append(gate)
        return gate

    yield make
    assert all(gate.statistics().waiting == 0 for gate in made)


def now() -> float:
    return asyncio.get_running_loop().time()


async def send(gate, lane=Lane.RESULTS, priority=0, *, seconds=0.0, order=None, name=None, **options):
    """Pass, take some time, and leave."""
    granted = await gate.enter(lane, priority, **options)
    if order is not None:
        order.append(name)
    await asyncio.sleep(seconds)
    gate.succeeded(granted)
    gate.leave(granted)


async def test_what_fits_waits_for_nothing(make):
    gate = make(HttpBudget())
    begun = now()
    for _ in range(4_000):
        await send(gate)
    assert now() == begun
    assert gate.statistics().used == 4_000


async def test_results_go_before_submissions_and_those_before_polls(make):
    gate, order = make(connections=1), []
    first = await gate.enter(Lane.RESULTS)
    async with anyio.create_task_group() as group:
        for lane in reversed(Lane):
            for priority in (0, 5):
                name = (lane.name, priority)
                group.start_soon(lambda lane=lane, p=priority, n=name: send(gate, lane, p, order=order, name=n))
        await anyio.wait_all_tasks_blocked()
        gate.leave(first)
    assert order == [(lane.name, priority) for lane in Lane for priority in (5, 0)]


async def test_a_service_that_answers_no_poll_does_not_keep_results_out(make):
    gate = make(connections=10)
    polls = [await gate.enter(Lane.POLLS) for _ in range(6)]
    with anyio.move_on_after(1) as scope:
        await gate.enter(Lane.POLLS)
    assert scope.cancelled_caught
    with anyio.fail_after(1):
        await send(gate)
    for granted in polls:
        gate.leave(granted)


async def test_uploads_take_no_connection_of_the_others(make):
    """E16: a hundred slow uploads timed out everybody's status."""
    gate = make(connections=2)
    uploads = [await gate.enter(Lane.SUBMISSIONS, connected=False) for _ in range(110)]
    assert gate.statistics().under_way == 0
    with anyio.fail_after(1):
        await send(gate)
    assert gate.statistics().used == 111
    for granted in uploads:
        gate.leave(granted)


@pytest.mark.parametrize("retry_after", [20.0, None])
async def test_a_refusal_closes_the_gate_for_everybody(make, retry_after):
    told = []
    gate = make(on_event=told.append)
    granted = await gate.enter(Lane.POLLS)
    gate.refused(granted, retry_after)
    gate.leave(granted)
    begun = now()
    async with anyio.create_task_group() as group:
        for lane in Lane:
            group.start_soon(send, gate, lane)
    assert now() - begun == pytest.approx(retry_after or 5)
    assert [event.seconds for event in told if isinstance(event, RequestsPaused)] == [pytest.approx(retry_after or 5)]


async def test_after_a_guessed_pause_one_goes_ahead_of_all_others(make):
    """E12: a crowd that comes back at once is refused as a whole, again and again."""
    gate = make()
    refusals, done = 0, 0
    open_at = now() + 290

    async def persist():
        nonlocal refusals, done
        while True:
            granted = await gate.enter(Lane.SUBMISSIONS)
            await asyncio.sleep(0.1)
            if now() >= open_at:
                gate.succeeded(granted)
                gate.leave(granted)
                done += 1
                return
            refusals += 1
            gate.refused(granted, None)
            gate.leave(granted)

    async with anyio.create_task_group() as group:
        for _ in range(90):
            group.start_soon(persist)
    assert done == 90
    # The crowd that was under way, and then one for each pause.
    assert refusals <= 90 + 6


async def test_repeats_wait_for_the_budget_and_hold_nobody_up(make):
    gate, order = make(retries=RetryBudget(capacity=1, trickle=0.1)), []
    await send(gate, repeat=True)
    gate._retries.take(now())
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: send(gate, repeat=True, order=order, name="repeat"))
        await anyio.wait_all_tasks_blocked()
        await send(gate, order=order, name="fresh")
        assert order == ["fresh"]
        begun = now()
    assert order == ["fresh", "repeat"]
    assert now() - begun <= 10


async def test_after_an_outage_the_first_successes_free_all_repeats_within_seconds(make):
    """E13: the last of 400 came 200 s after the service was healthy again."""
    gate = make()
    healthy = now() + 40

    async def persist():
        repeat = False
        while True:
            granted = await gate.enter(Lane.RESULTS, repeat=repeat)
            await asyncio.sleep(0.05)
            if now() >= healthy:
                gate.succeeded(granted)
                gate.leave(granted)
                return
            gate.leave(granted)
            repeat = True

    async with anyio.create_task_group() as group:
        for _ in range(400):
            group.start_soon(persist)
    assert now() - healthy < 10


async def test_a_cancelled_waiter_is_forgotten_and_a_grant_in_the_same_moment_goes_on(make):
    gate = make(connections=1)
    held = await gate.enter(Lane.RESULTS)
    unlucky = asyncio.create_task(send(gate))
    lucky = asyncio.create_task(send(gate))
    await anyio.wait_all_tasks_blocked()
    gate.leave(held)
    unlucky.cancel()
    await lucky
    with pytest.raises(asyncio.CancelledError):
        await unlucky
    assert gate.statistics().under_way == 0


async def test_thousands_that_give_up_waiting_leave_no_heap(make):
    gate = make(connections=1)
    held = await gate.enter(Lane.RESULTS)
    for _ in range(3_000):
        with anyio.move_on_after(0.001):
            await gate.enter(Lane.POLLS)
    assert gate.statistics().waiting == 0
    assert sum(len(line._waiters) for line in gate._lines.values()) < 100
    gate.leave(held)


async def test_closing_ends_every_wait(make):
    gate = make(connections=1)
    held = await gate.enter(Lane.RESULTS)
    waiting = [asyncio.create_task(send(gate, lane)) for lane in Lane]
    await anyio.wait_all_tasks_blocked()
    gate.close()
    for task in waiting:
        with pytest.raises(NotOpen):
            await task
    with pytest.raises(NotOpen):
        await gate.enter(Lane.RESULTS)
    gate.leave(held)


async def test_one_timer_serves_a_crowd_of_waiters(make):
    """E17: thousands of sleepers that woke at the same token took a core."""
    gate, order = make(HttpBudget(400, 20)), []
    handles = 0
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def counted(*arguments, **options):
        nonlocal handles
        handles += 1
        return call_at(*arguments, **options)

    loop.call_at = counted
    try:
        async with anyio.create_task_group() as group:
            for number in range(1_000):
                group.start_soon(lambda n=number: send(gate, Lane.POLLS, order=order, name=n))
    finally:
        loop.call_at = call_at
    assert order == list(range(1_000))
    assert handles < 3 * 1_000 + 100


async def test_a_resized_allowance_counts_at_once(make):
    gate = make(HttpBudget(20, 100))
    for _ in range(20):
        await send(gate)
    async with anyio.create_task_group() as group:
        group.start_soon(send, gate)
        await anyio.wait_all_tasks_blocked()
        assert gate.statistics().waiting == 1
        gate.resize(HttpBudget(200, 100))
        begun = now()
    await send(gate)
    assert now() == begun
    assert gate.statistics().used == 22


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_in_whatever_order_nobody_is_forgotten(make, seed):
    """Random lanes, priorities, repeats, cancellations and refusals: all pass, and nothing is held in the end."""
    rng = random.Random(seed)
    gate = make(HttpBudget(200, 10), RetryBudget(5, 1), connections=4)
    passed = cancelled = 0

    async def one():
        nonlocal passed, cancelled
        try:
            with anyio.move_on_after(rng.choice([0.01, 0.5, 1_000])) as scope:
                granted = await gate.enter(
                    rng.choice(list(Lane)), rng.randrange(3), repeat=rng.random() < 0.3, connected=rng.random() < 0.8
                )
                try:
                    await asyncio.sleep(rng.random() / 10)
                    if rng.random() < 0.05:
                        gate.refused(granted, rng.choice([None, 0, 1]))
                    else:
                        gate.succeeded(granted)
                finally:
                    gate.leave(granted)
        finally:
            cancelled += scope.cancelled_caught
            passed += not scope.cancelled_caught

    async with anyio.create_task_group() as group:
        for _ in range(300):
            group.start_soon(one)
            await asyncio.sleep(rng.random() / 50)
    assert passed + cancelled == 300
    assert passed > 100
    assert gate.statistics().under_way == 0

import asyncio

import anyio
import pytest

from asyncscribe.engine.tasks import Nursery, NurseryClosed


async def test_a_started_task_outlives_the_call_and_ends_with_the_nursery(nothing_left):
    ended = []

    async def work(value, *, task_status):
        task_status.started(value)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(value)

    async with Nursery() as nursery:
        assert await nursery.start(work, "x") == "x"
        assert not ended
    assert ended == ["x"]


async def test_errors_before_the_start_are_the_callers(nothing_left):
    async def fail(*, task_status):
        raise ValueError("early")

    async with Nursery() as nursery:
        with pytest.raises(ValueError, match="early"):
            await nursery.start(fail)
        await nursery.start(_works)


async def _works(*, task_status):
    task_status.started()


async def test_cancelling_the_caller_cancels_what_has_not_started(nothing_left):
    cancelled = anyio.Event()

    async def slow(*, task_status):
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with Nursery() as nursery:
        with anyio.move_on_after(0.01):
            await nursery.start(slow)
        assert cancelled.is_set()


async def test_it_can_be_closed_from_another_task(nothing_left):
    nursery = Nursery()
    await asyncio.create_task(nursery.__aenter__())
    await nursery.start(_works)
    await asyncio.create_task(nursery.__aexit__(None, None, None))
    with pytest.raises(RuntimeError, match="not open"):
        nursery.start_soon(_works)


async def test_a_mistake_of_a_task_is_raised_when_it_closes_and_not_into_the_body(nothing_left):
    async def broken():
        raise ValueError("a mistake")

    nursery = await Nursery().__aenter__()
    nursery.start_soon(broken)
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(ExceptionGroup):
        await nursery.__aexit__(None, None, None)


async def test_a_closed_nursery_takes_nothing():
    with pytest.raises(RuntimeError, match="not open"):
        await Nursery().start(_works)
    with pytest.raises(RuntimeError, match="not open"):
        Nursery().start_soon(_works)


async def test_a_cancelled_opening_leaves_nothing(nothing_left):
    nursery = Nursery()
    opening = asyncio.create_task(nursery.__aenter__())
    # One step: the host was started and has not run yet.
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(RuntimeError, match="not open"):
        await nursery.start(_works)


async def test_closing_twice_is_closing_once(nothing_left):
    nursery = Nursery()
    async with nursery:
        await nursery.start(_works)
    await nursery.__aexit__(None, None, None)
    with pytest.raises(RuntimeError, match="not open"):
        await nursery.start(_works)


async def test_closing_reaches_a_task_that_is_being_started_under_the_callers_scope(nothing_left):
    reached = anyio.Event()

    async def work(*, task_status):
        reached.set()
        await anyio.sleep_forever()

    async def start():
        with pytest.raises(NurseryClosed):
            await nursery.start(work)

    nursery = await Nursery().__aenter__()
    async with anyio.create_task_group() as group:
        group.start_soon(start)
        await reached.wait()
        with anyio.fail_after(1):
            await nursery.__aexit__(None, None, None)

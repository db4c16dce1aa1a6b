import asyncio

import anyio
import pytest

from asyncscribe import NotOpen
from asyncscribe.engine.tasks import Tasks


async def forever(ended=None):
    try:
        await anyio.sleep_forever()
    finally:
        if ended is not None:
            ended.append(asyncio.current_task())


async def test_a_task_outlives_the_call_that_started_it_and_ends_with_its_owner(nothing_left):
    ended = []
    async with Tasks() as tasks:
        tasks.start_soon(forever, ended)
        await anyio.wait_all_tasks_blocked()
        assert not ended
    assert len(ended) == 1


async def test_each_task_has_a_scope_of_its_own(nothing_left):
    first, second = [], []
    async with Tasks() as tasks:
        scope = tasks.start_soon(forever, first)
        tasks.start_soon(forever, second)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert len(first) == 1
        assert not second


async def test_a_task_that_is_cancelled_before_its_first_step_ends_too(nothing_left):
    ended = []
    async with Tasks() as tasks:
        tasks.start_soon(forever, ended).cancel()
    assert len(ended) == 1


@pytest.mark.parametrize("error", [ValueError("a mistake"), asyncio.CancelledError()])
async def test_what_one_task_raises_disturbs_no_other_and_is_logged(nothing_left, caplog, error):
    """E6: one exception in a background task ended the client for good, and nobody heard of it."""
    ended = []

    async def broken():
        raise error

    async with Tasks() as tasks:
        tasks.start_soon(forever, ended)
        tasks.start_soon(broken)
        await anyio.wait_all_tasks_blocked()
        assert not ended
        assert tasks.is_open
        tasks.start_soon(forever, ended)
    assert len(ended) == 2
    assert "broken" in caplog.text


async def test_it_can_be_closed_from_another_task(nothing_left):
    tasks = Tasks()
    await asyncio.create_task(tasks.__aenter__())
    tasks.start_soon(forever)
    await asyncio.create_task(tasks.__aexit__(None, None, None))
    with pytest.raises(NotOpen):
        tasks.start_soon(forever)


async def test_before_it_is_opened_nothing_can_be_started():
    with pytest.raises(NotOpen):
        Tasks().start_soon(forever)
    async with Tasks() as tasks:
        pass
    await tasks.__aexit__(None, None, None)
    assert not tasks.is_open


async def test_it_can_be_opened_again(nothing_left):
    ended = []
    tasks = Tasks()
    for times in (1, 2):
        async with tasks:
            assert tasks.is_accepting
            tasks.start_soon(forever, ended)
            await anyio.wait_all_tasks_blocked()
            assert len(ended) == times - 1
        assert len(ended) == times
        assert not tasks.is_open


@pytest.mark.looptime
async def test_closing_waits_for_a_shielded_section(nothing_left):
    done = []

    async def work():
        with tasks.shielded():
            await asyncio.sleep(5)
            done.append("section")
        await asyncio.sleep(100)
        done.append("never")

    async with Tasks(grace=10) as tasks:
        tasks.start_soon(work)
        await asyncio.sleep(1)
    assert done == ["section"]


@pytest.mark.looptime
async def test_after_its_grace_closing_cuts_a_shielded_section_off(nothing_left):
    caught = []

    async def work():
        with tasks.shielded() as scope:
            await asyncio.sleep(1_000)
        caught.append(scope.cancelled_caught)
        # From now on nothing is shielded.
        with tasks.shielded():
            await asyncio.sleep(1_000)

    loop = asyncio.get_running_loop()
    async with Tasks(grace=10) as tasks:
        tasks.start_soon(work)
        await asyncio.sleep(1)
        begun = loop.time()
    assert 10 <= loop.time() - begun < 11
    assert caught == [True]


@pytest.mark.looptime
async def test_a_sleep_ends_when_closing_begins(nothing_left):
    slept = []

    async def work():
        slept.append(await tasks.sleep(1))
        with tasks.shielded():
            slept.append(await tasks.sleep(1_000))
            slept.append(await tasks.sleep(1_000))

    loop = asyncio.get_running_loop()
    async with Tasks() as tasks:
        tasks.start_soon(work)
        await asyncio.sleep(2)
        begun = loop.time()
    assert loop.time() - begun < 1
    assert slept == [False, True, True]


async def test_the_last_act_of_a_task_may_be_to_try_to_start_another(nothing_left):
    refused = []

    async def last():
        try:
            await anyio.sleep_forever()
        finally:
            try:
                tasks.start_soon(forever)
            except NotOpen:
                refused.append(True)

    async with Tasks() as tasks:
        tasks.start_soon(last)
        await anyio.wait_all_tasks_blocked()
    assert refused == [True]

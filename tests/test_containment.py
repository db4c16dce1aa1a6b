import asyncio

import anyio
import pytest

from asyncscribe import CallbackError
from asyncscribe.containment import contained, is_cancelled


async def raise_cancelled():
    raise asyncio.CancelledError


async def await_something_cancelled():
    task = asyncio.create_task(anyio.sleep_forever())
    task.cancel()
    await task


@pytest.mark.parametrize("function", [raise_cancelled, await_something_cancelled])
async def test_a_cancellation_that_nobody_asked_for_is_an_error(function):
    with pytest.raises(CallbackError, match="the signer raised CancelledError"):
        await contained("the signer", function)
    assert not is_cancelled()


async def test_what_it_returns_and_raises_comes_through():
    async def fail(text):
        raise ValueError(text)

    async def double(number, *, plus):
        return 2 * number + plus

    assert await contained("it", double, 3, plus=1) == 7
    with pytest.raises(ValueError, match="why"):
        await contained("it", fail, "why")


@pytest.mark.looptime
@pytest.mark.parametrize("how", ["task", "timeout", "scope"])
async def test_a_real_cancellation_is_one(how):
    reached = asyncio.Event()

    async def wait():
        reached.set()
        await anyio.sleep_forever()

    async def run():
        match how:
            case "scope":
                with anyio.move_on_after(1) as scope:
                    await contained("it", wait)
                assert scope.cancelled_caught
            case "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await contained("it", wait)
            case "task":
                await contained("it", wait)

    task = asyncio.create_task(run())
    await reached.wait()
    if how == "task":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await task
    assert task.cancelled() == (how == "task")

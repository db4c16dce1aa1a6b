import asyncio
import threading

import pytest

from asyncscribe import NotOpen, portal
from asyncscribe.portal import Portal


async def nothing():
    pass


async def numbers(closed):
    try:
        for number in range(10):
            yield number
    finally:
        closed.append(number)


@pytest.fixture
def opened():
    threads = set(threading.enumerate())
    made = Portal()
    made.open(nothing)
    yield made
    made.close(nothing, None)
    assert set(threading.enumerate()) <= threads


def test_all_that_is_awaited_or_called_is_in_one_thread_of_its_own(opened):
    async def thread():
        return threading.current_thread()

    assert opened.wait(thread) is opened.wait(thread) is opened.call(threading.current_thread)
    assert opened.wait(thread) is not threading.current_thread()


def test_a_wait_may_be_longer_than_a_tick(opened, monkeypatch):
    monkeypatch.setattr(portal, "TICK", 0.001)
    assert opened.wait(asyncio.sleep, 0.02, "done") == "done"


def test_errors_are_passed_on(opened):
    async def fail():
        raise ValueError("this")

    with pytest.raises(ValueError, match="this"):
        opened.wait(fail)
    with pytest.raises(NotOpen):
        opened.wait(asyncio.wait_for, cancelled(), 1)


async def cancelled():
    raise asyncio.CancelledError


def test_in_its_own_thread_calls_are_made_and_waits_refused(opened):
    assert opened.call(opened.call, str, 5) == "5"
    with pytest.raises(RuntimeError, match="must not wait"):
        opened.call(opened.wait, nothing)
    with pytest.raises(RuntimeError, match="must not wait"):
        opened.call(opened.close, nothing, None)


def test_items_are_given_one_by_one_and_closed_when_they_are_left(opened):
    closed = []
    assert list(opened.each(numbers(closed))) == list(range(10))
    left = opened.each(numbers(closed))
    assert [next(left), next(left)] == [0, 1]
    left.close()
    assert closed == [9, 1]


def test_items_that_are_under_way_end_with_it():
    closed = []
    made = Portal()
    made.open(nothing)
    items = made.each(numbers(closed))
    assert next(items) == 0
    assert made.close(nothing, None) is None
    assert closed == [0]
    with pytest.raises(NotOpen):
        next(items)


def test_what_cannot_be_entered_leaves_no_thread():
    async def refuse():
        raise RuntimeError("open already")

    threads = set(threading.enumerate())
    made = Portal()
    with pytest.raises(RuntimeError, match="open already"):
        made.open(refuse)
    assert set(threading.enumerate()) <= threads


def test_not_open_it_has_a_loop_for_as_long_as_a_call_lasts():
    threads = set(threading.enumerate())
    made = Portal()
    assert made.wait(asyncio.sleep, 0, "done") == "done"
    assert made.close(nothing, None) is None
    assert set(threading.enumerate()) <= threads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.server.account import Account

steps = st.lists(st.tuples(st.sampled_from(["add", "finish", "limit"]), st.integers(1, 8)), max_size=60)


@given(st.integers(1, 8), steps)
def test_the_limit_holds_the_order_is_kept_and_no_slot_is_idle(limit, todo):
    account, waiting, running, number = Account(limit), [], [], 0
    for kind, value in todo:
        if kind == "add":
            number += 1
            waiting.append(str(number))
            started = account.add(str(number))
        elif kind == "finish" and running:
            started = account.finish(running.pop(value % len(running)))
        else:
            limit = value
            started = account.set_limit(limit)
        assert started == waiting[: len(started)]
        waiting, running = waiting[len(started) :], running + started
        assert account.running == len(running)
        assert account.queued == len(waiting)
        assert not started or len(running) <= account.limit
        assert not waiting or len(running) >= account.limit


def test_a_job_that_waits_can_go():
    account = Account(1)
    account.add("a")
    account.add("b")
    assert account.finish("b") == []
    assert account.queued == 0


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Account(0)

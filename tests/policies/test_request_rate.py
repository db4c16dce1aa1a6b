from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import HttpBudget
from asyncscribe.policies.request_rate import LANES, Lane, SlidingWindow


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": 19},
        {"seconds": 0},
        {"seconds": float("inf")},
        {"polls": 0},
        {"polls": 0.9, "submissions": 0.8},
        {"submissions": 1.1},
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="HttpBudget"):
        HttpBudget(**wrong)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(Lane), st.integers(1, 40)), min_size=1, max_size=100),
    st.integers(20, 200),
    st.floats(1, 60),
)
def test_no_window_sees_more_requests_than_allowed(arrivals, requests, seconds):
    window, now = SlidingWindow(HttpBudget(requests, seconds)), 0.0
    sent: deque[float] = deque()
    for gap, lane, count in arrivals:
        now += gap
        for _ in range(count):
            while (delay := window.delay(now, lane)) > 0:
                assert delay <= 2 * seconds + 1
                now += delay
            window.record(now, lane)
            sent.append(now)
            while sent[0] < now - seconds:
                sent.popleft()
            assert len(sent) <= requests


def test_2000_quick_jobs_wait_for_nothing():
    window = SlidingWindow(HttpBudget())
    for number in range(4_000):
        assert window.delay(number / 1_000, Lane.SUBMISSIONS) == 0
        window.record(number / 1_000, Lane.SUBMISSIONS)


def sustained(lane: Lane, budget: HttpBudget, length: float) -> list[float]:
    """When requests are sent by somebody who always has another one."""
    window, now, sent = SlidingWindow(budget), 0.0, []
    while now < length:
        if (delay := window.delay(now, lane)) > 0:
            now += max(delay, 1e-3)
        else:
            window.record(now, lane)
            sent.append(now)
    return sent


@pytest.mark.parametrize(("lane", "least"), [(Lane.RESULTS, 0.95), (Lane.SUBMISSIONS, 0.93), (Lane.POLLS, 0.9)])
def test_a_run_without_end_uses_nearly_all_of_its_share(lane, least):
    sent = sustained(lane, HttpBudget(2_000, 30), 300)
    late = [moment for moment in sent if moment > 60]
    assert least * 2_000 / 30 <= len(late) / 240 <= 2_000 / 30


def test_polls_slow_down_first_and_results_last():
    window = SlidingWindow(HttpBudget(1_000, 100))
    for _ in range(960):
        window.record(0.0, Lane.RESULTS)
    delays = [window.delay(1.0, lane) for lane in LANES]
    assert delays == sorted(delays)
    assert window.delay(1.0, Lane.POLLS) > 50
    assert window.delay(5.0, Lane.RESULTS) < 1


def test_what_is_spent_on_results_is_not_there_for_polls():
    """Credit for a burst is shared downwards: results first, then the others."""
    window = SlidingWindow(HttpBudget(1_000, 100))
    for _ in range(400):
        window.record(0.0, Lane.RESULTS)
    assert window.delay(0.0, Lane.POLLS) > 0


def test_the_allowance_can_be_resized_while_it_is_used():
    window = SlidingWindow(HttpBudget(1_000, 100))
    for _ in range(500):
        window.record(0.0, Lane.RESULTS)
    window.resize(HttpBudget(250, 100))
    assert window.delay(1.0, Lane.RESULTS) > 90
    window.resize(HttpBudget(10_000, 100))
    assert window.delay(1.0, Lane.RESULTS) == 0


def test_a_refusal_of_what_fitted_means_that_others_use_the_allowance_too():
    window = SlidingWindow(HttpBudget(1_000, 100))
    for _ in range(500):
        window.record(0.0, Lane.RESULTS)
    window.refused(0.0)
    assert window.delay(0.0, Lane.RESULTS) > 90
    # Half of the rest a window later, all of it after two.
    assert window.delay(101.0, Lane.RESULTS) == 0
    for _ in range(900):
        window.record(210.0, Lane.RESULTS)
    assert window.delay(210.0, Lane.RESULTS) < 1


def test_a_refusal_for_no_reason_leaves_a_fifth_of_the_allowance():
    window = SlidingWindow(HttpBudget(1_000, 100))
    window.record(0.0, Lane.RESULTS)
    window.refused(0.0)
    for _ in range(30):
        assert window.delay(0.0, Lane.POLLS) == 0
        window.record(0.0, Lane.POLLS)


def test_a_clock_that_goes_back_gives_nothing():
    window = SlidingWindow(HttpBudget(20, 10))
    for _ in range(20):
        window.record(100.0, Lane.RESULTS)
    assert window.delay(50.0, Lane.RESULTS) > 0
    assert window.used(50.0) == 20

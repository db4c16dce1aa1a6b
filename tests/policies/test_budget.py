import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import HttpBudget
from asyncscribe.policies.budget import TokenBucket, stretch


@pytest.mark.parametrize("wrong", [{"requests": 19}, {"seconds": 0}, {"burst": 0}, {"burst": 1}, {"reserve": 1}])
def test_a_budget_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="HttpBudget"):
        HttpBudget(**wrong)


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=300),
    st.integers(20, 200),
    st.floats(1, 60),
)
def test_no_window_sees_more_requests_than_allowed(gaps, requests, seconds):
    budget = HttpBudget(requests, seconds)
    bucket = TokenBucket(budget.capacity, budget.rate)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + bucket.take(now))
    assert sent == sorted(sent)
    for start in sent:
        assert sum(start <= time < start + seconds for time in sent) <= requests + 1


def test_whoever_asks_earlier_is_served_earlier():
    bucket = TokenBucket(capacity=2, rate=10)
    assert [round(bucket.take(0), 3) for _ in range(5)] == [0, 0, 0.1, 0.2, 0.3]
    assert bucket.level(0) < 0
    assert round(bucket.take(0.3), 3) == 0.1


def test_looks_leave_a_reserve_to_submissions_and_results():
    bucket = TokenBucket(capacity=10, rate=1)
    for _ in range(5):
        assert bucket.spare(0, reserve=0.5) == 0 or bucket.level(0) <= 0.5
        bucket.take(0)
    assert bucket.spare(0, reserve=0.5) == 1
    assert bucket.take(0) == 0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    bucket = TokenBucket(capacity=1, rate=1)
    assert bucket.take(10) == 0
    assert bucket.take(9) == 1
    assert bucket.level(10) == -1


@given(st.floats(-3, 1), st.floats(-3, 1), st.floats(0, 0.9))
def test_looks_slow_down_smoothly_as_the_budget_runs_short(one, other, reserve):
    less, more = sorted([one, other])
    assert 1 <= stretch(more, reserve) <= stretch(less, reserve) <= 10
    assert stretch(1, reserve) == pytest.approx(1)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import Backoff
from asyncscribe.policies.polling import FEW, PAGE, Ask, Pace, ask, most_pages


def test_the_cheapest_way_to_ask_is_taken():
    assert ask(1, 0, listed=True) is Ask.EACH
    assert ask(2, 0, listed=True) is Ask.NEWEST
    assert ask(FEW, 0, listed=True) is Ask.NEWEST
    assert ask(FEW, 1, listed=True) is Ask.CENSUS
    assert ask(2, 5_000, listed=True) is Ask.CENSUS
    assert ask(200, 0, listed=False) is Ask.EACH


def test_a_crowd_of_others_costs_a_bounded_number_of_pages():
    assert most_pages(1) == most_pages(PAGE) == 3
    assert most_pages(PAGE + 1) == 4


@given(st.integers(1, 5_000), st.floats(0.01, 10_000), st.floats(0, 10_000), st.floats(1, 10))
def test_the_pace_follows_what_can_be_expected_and_the_budget(watched, duration, age, slower):
    pace = Pace(Backoff(initial=1, factor=1.5, maximum=10, jitter=0))
    shortest, longest = pace.gap(watched, duration, age, 1)
    assert 0 < shortest <= longest <= max(shortest, 0.05 * max(duration, age))
    assert pace.gap(watched, duration, age, slower) == pytest.approx((shortest * slower, longest * slower))
    assert pace.gap(watched + 1, duration, age, 1)[1] <= longest


@given(st.floats(0.01, 10), st.floats(1, 4), st.integers(0, 30))
def test_a_schedule_can_be_joined_at_any_age(initial, factor, step):
    schedule = Backoff(initial=initial, factor=factor, maximum=1e6, jitter=0)
    delays = schedule.delays(lambda: 0.0)
    age = sum(next(delays) for _ in range(step))
    assert schedule.delay_at(age, lambda: 0.0) == pytest.approx(next(delays), rel=1e-6)

from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch.allowance import Allowance


def test_without_one_everything_is_admitted():
    allowance = Allowance(None)
    assert not allowance.is_limited
    assert allowance.admit(10**9) == 0
    assert not allowance.exhausted


@given(st.lists(st.floats(0.1, 100), max_size=30), st.floats(1, 500))
def test_known_lengths_never_exceed_it(lengths, seconds):
    allowance = Allowance(seconds)
    admitted = [length for length in lengths if allowance.admit(length) is not None]
    assert sum(admitted) <= seconds + 1e-6
    # In order, and nothing after the first that was refused.
    assert admitted == lengths[: len(admitted)]
    assert allowance.exhausted == (len(admitted) < len(lengths))


def test_unknown_lengths_count_as_the_mean_of_what_is_known():
    allowance = Allowance(100)
    assert allowance.admit(None) == 0
    allowance.correct(0, 30)
    assert [allowance.admit(None) for _ in range(4)] == [30, 30, 30, None]
    assert allowance.exhausted


def test_what_was_not_paid_for_is_given_back():
    allowance = Allowance(100)
    assert allowance.admit(90) == 90
    allowance.correct(90, 0)
    assert allowance.admit(100) == 100
    allowance.correct(100, None)
    assert allowance.admit(1) is None

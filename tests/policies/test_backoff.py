from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import Backoff

backoffs = st.builds(
    lambda initial, factor, extra, jitter: Backoff(initial, factor, initial + extra, jitter),
    st.floats(0.001, 1000),
    st.floats(1, 10),
    st.floats(0, 10_000),
    st.floats(0, 1),
)


def test_delays_grow_by_the_factor_up_to_the_maximum():
    backoff = Backoff(initial=1, factor=2, maximum=5, jitter=0)
    assert list(islice(backoff.delays(lambda: 0.5), 5)) == [1, 2, 4, 5, 5]


def test_jitter_only_shortens_by_its_share():
    backoff = Backoff(initial=8, factor=1, maximum=8, jitter=0.25)
    assert next(backoff.delays(lambda: 0.0)) == 8
    assert next(backoff.delays(lambda: 0.5)) == 7


@given(backoffs, st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_within_its_bounds_however_late(backoff, number, chance):
    delay = backoff.delay(number, lambda: chance)
    assert 0 <= delay <= backoff.maximum
    assert delay >= backoff.initial * (1 - backoff.jitter) * 0.999


@given(backoffs, st.integers(0, 40))
def test_the_schedule_and_the_single_delay_agree(backoff, number):
    from_schedule = next(islice(backoff.delays(lambda: 0.3), number, None))
    assert from_schedule == pytest.approx(backoff.delay(number, lambda: 0.3))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"initial": 0}, "initial"),
        ({"initial": float("nan")}, "initial"),
        ({"factor": 0.9}, "factor"),
        ({"maximum": 0.5}, "maximum"),
        ({"maximum": float("inf")}, "maximum"),
        ({"jitter": 1.1}, "jitter"),
    ],
)
def test_a_value_out_of_range_is_named(arguments, named):
    with pytest.raises(ValueError, match=f"Backoff.{named}"):
        Backoff(**arguments)

from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch.allowance import Admission, Allowance

GRANTED, LATER, REFUSED = Admission.GRANTED, Admission.LATER, Admission.REFUSED


def test_without_one_everything_is_admitted():
    allowance = Allowance(None)
    assert not allowance.is_limited
    assert [allowance.admit(length) for length in (10**9, None, None)] == [GRANTED] * 3
    assert not allowance.exhausted


@given(st.lists(st.floats(0.1, 100), max_size=30), st.floats(1, 500))
def test_known_lengths_never_exceed_it_and_what_fits_is_admitted(lengths, seconds):
    allowance = Allowance(seconds)
    taken = 0.0
    for length in lengths:
        fits = taken < seconds and taken + length <= seconds
        assert allowance.admit(length) is (GRANTED if fits else REFUSED)
        taken += length if fits else 0.0
    assert taken <= seconds + 1e-6


def test_one_that_is_too_long_keeps_nothing_else_back():
    allowance = Allowance(100)
    assert [allowance.admit(length) for length in (101, 60, 60, 40)] == [REFUSED, GRANTED, REFUSED, GRANTED]
    assert allowance.exhausted


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.floats(1, 500))
def test_unknown_lengths_exceed_it_by_one_recording_at_most(lengths, seconds):
    allowance = Allowance(seconds)
    taken = []
    for length in lengths:
        if allowance.admit(None) is not GRANTED:
            break
        assert allowance.admit(None) is LATER
        taken.append(length)
        allowance.ended(None, length)
    assert sum(taken[:-1]) < seconds


def test_what_was_not_paid_for_is_given_back():
    allowance = Allowance(100)
    assert allowance.admit(90) is GRANTED
    allowance.ended(90, 0)
    assert allowance.admit(100) is GRANTED
    allowance.ended(100, None)
    assert allowance.admit(1) is REFUSED

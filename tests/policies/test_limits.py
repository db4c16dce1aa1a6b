import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.policies.limits import Evidence, FixedLimit

counts = st.integers(0, 10_000)


def test_the_bound_holds_while_nothing_queues():
    assert FixedLimit(7).update(Evidence(now=0, processing=7, queued=0, wanted=3)) == 7


def test_queued_jobs_lower_the_limit_one_by_one():
    assert FixedLimit(200).update(Evidence(now=0, processing=5, queued=15, wanted=0)) == 185


@given(st.integers(1, 5_000), counts, counts, counts)
def test_the_limit_stays_between_one_and_the_bound(bound, processing, queued, wanted):
    limit = FixedLimit(bound).update(Evidence(0.0, processing, queued, wanted))
    assert 1 <= limit <= bound


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_queue_settles_and_the_account_stays_busy(bound, slots):
    policy, in_flight = FixedLimit(bound), 0
    limit = policy.initial
    for _ in range(1_000):
        in_flight = max(in_flight, limit)  # as many are submitted as are allowed
        limit = policy.update(Evidence(0.0, min(in_flight, slots), max(0, in_flight - slots), wanted=1))
        in_flight -= 1 if in_flight > 1 else 0  # one ends
    assert in_flight + 1 >= min(bound, slots)
    assert max(0, in_flight - slots) <= max(0, bound - slots) / 2 + 1


def test_a_bound_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        FixedLimit(0)

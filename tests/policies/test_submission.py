from itertools import accumulate

import pytest

from asyncscribe import SubmissionPolicy


def test_looks_happen_at_the_told_times_and_once_more_after_the_quiet_time():
    assert list(accumulate(SubmissionPolicy(lookups=(1, 3, 10, 30), quiet=60).gaps())) == [1, 3, 10, 30, 60]


def test_looks_after_the_quiet_time_are_left_out():
    assert list(accumulate(SubmissionPolicy(lookups=(1, 3, 10), quiet=3).gaps())) == [1, 3]


@pytest.mark.parametrize(
    "arguments", [{"lookups": (3, 1)}, {"lookups": (-1,)}, {"quiet": -1}, {"attempts": 0}, {"settled": 59}]
)
def test_impossible_times_are_refused(arguments):
    with pytest.raises(ValueError, match="SubmissionPolicy"):
        SubmissionPolicy(**arguments)

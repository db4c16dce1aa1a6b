"""Counts of a running batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.cli.display.tally import RECENT, Rate, Tally
from asyncscribe.events import LimitChanged, RequestsPaused, Resubmitting, StateChanged, UploadProgress
from asyncscribe.lifecycle import JobState


def moved(job, state) -> StateChanged:
    return StateChanged(job, f"{job}.wav", state)


def test_the_tally_counts_what_is_where():
    tally = Tally()
    for job, state in [(1, JobState.UPLOADING), (2, JobState.QUEUED), (3, JobState.QUEUED), (2, JobState.PROCESSING)]:
        tally.take(moved(job, state))
    assert tally.count(JobState.QUEUED) == 1
    assert tally.count(JobState.UPLOADING, JobState.PROCESSING) == 2
    for job in (1, 2, 3):
        tally.take(moved(job, JobState.COMPLETED))
    assert tally.count(*JobState) == 0


def test_rates_and_the_time_left_are_of_the_last_minute():
    now = [1000.0]
    ends = Rate(lambda: now[0])
    tally = Tally(total=220, known_before=lambda: 100, ends=ends)
    assert tally.seconds_left is None
    for _ in range(20):
        now[0] += 0.5
        tally.finished(ok=True)
    assert ends.per_second == pytest.approx(2)
    assert (tally.ended, tally.seconds_left) == (120, pytest.approx(50))
    now[0] += 61
    assert ends.per_second == 0
    assert tally.seconds_left is None


def test_uploads_that_start_over_are_counted_again():
    now = [0.0]
    tally = Tally(uploaded=Rate(lambda: now[0]))
    now[0] = 10
    for sent in (100, 300, 100):
        tally.take(UploadProgress(1, "a.wav", sent, 300))
    assert tally.uploaded.per_second == pytest.approx(40)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 100)), max_size=30))
def test_a_rate_is_never_more_than_all_there_was(steps):
    now = [0.5]
    rate = Rate(lambda: now[0])
    for pause, amount in steps:
        now[0] += pause
        rate.add(amount)
    total = sum(amount for _, amount in steps)
    passed = min(RECENT, now[0] - 0.5)
    assert 0 <= rate.per_second * passed <= total * (1 + 1e-9)
    assert len(rate._amounts) <= RECENT + 2


def test_at_its_start_there_is_no_rate_and_no_time_left():
    rate = Rate(lambda: 5.0)
    rate.add(3)
    assert rate.per_second == 0
    assert Tally(total=3, ends=rate).seconds_left is None


def test_more_ends_than_were_counted_leave_no_time_and_not_less():
    now = [0.0]
    tally = Tally(total=1, ends=Rate(lambda: now[0]))
    now[0] = 1
    for _ in range(3):
        tally.finished(ok=False)
    assert (tally.failed, tally.seconds_left) == (3, 0)


def test_what_is_told_about_no_job_is_counted_too():
    tally = Tally()
    for event in (LimitChanged(7, "found"), Resubmitting(1, "a.wav", "t", "Server error", 1.0), RequestsPaused(7.0)):
        tally.take(event)
    assert (tally.limit, tally.basis, tally.resubmitted) == (7, "found", 1)


def test_a_job_that_has_ended_leaves_nothing_behind():
    tally = Tally()
    tally.take(UploadProgress(1, "a.wav", 100, None))
    tally.take(moved(1, JobState.UPLOADING))
    tally.take(moved(1, JobState.ABANDONED))
    # One that was never seen before ends as well.
    tally.take(moved(2, JobState.FAILED))
    assert tally._states == tally._sent == {}

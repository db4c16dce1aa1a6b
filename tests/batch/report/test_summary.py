"""What a journal adds up to."""

from asyncscribe.batch import Entry, JobRecord, Recording, SavedState
from asyncscribe.batch.report.summary import MOST_REASONS, Summary


def entry(number, step=None, *, key=None, problem=None, **more):
    job = JobRecord(key or number, "service", "content", "config", step, **more) if step else None
    return Entry(Recording(f"/in/{number}", f"{number}.wav", f"in/{number}"), job, {}, problem)


def summed(*entries):
    summary = Summary()
    for one in entries:
        summary.take(one)
    return summary


def test_a_job_of_two_recordings_is_paid_once():
    done = {"ids": ("t-1", "t-2"), "audio_seconds": 60.0, "times": {"ended": 10.0, "completed": 10.5}}
    summary = summed(*(entry(n, SavedState.COMPLETED, key=7, **done) for n in range(2)))
    assert summary.recordings == {"completed": 2}
    assert (summary.submissions, summary.resubmissions, summary.audio_seconds) == (2, 1, 60)
    assert (summary.detected, summary.detection_seconds) == (1, 0.5)


def test_what_is_not_completed_has_transcribed_nothing():
    summary = summed(
        entry(1, SavedState.SUBMITTED, ids=("t-1",), audio_seconds=60.0, times={"ended": 10.0}),
        entry(2, SavedState.COMPLETED, times={"completed": 10.0}),
    )
    assert (summary.audio_seconds, summary.detected, summary.resubmissions) == (0, 0, 0)


def test_a_failure_has_a_kind_and_a_reason_even_where_nobody_gave_one():
    summary = summed(entry(1, SavedState.FAILED, reason="no speech", category="input"), entry(2, SavedState.FAILED))
    assert summary.failures == {"input": 1, "unknown": 1}
    assert summary.reasons == {"1.wav": "no speech", "2.wav": "no reason given"}


def test_what_could_not_be_tried_is_a_problem_and_pending_like_what_nobody_tried():
    summary = summed(
        entry(1),
        entry(2, problem="can't be read"),
        entry(3, SavedState.FOUND, problem="it is away"),
        entry(4, SavedState.FAILED, problem="it was away", reason="no speech"),
    )
    assert (summary.pending, summary.problems, summary.recordings) == (3, 2, {"failed": 1})
    assert summary.reasons == {"2.wav": "can't be read", "3.wav": "it is away", "4.wav": "no speech"}


def test_of_many_failures_only_the_first_reasons_are_kept_and_all_are_counted():
    summary = summed(*(entry(n, SavedState.FAILED, category="input") for n in range(1, MOST_REASONS + 10)))
    assert len(summary.reasons) == MOST_REASONS
    assert summary.failures["input"] == MOST_REASONS + 9


def test_nothing_is_nothing():
    assert summed() == Summary()

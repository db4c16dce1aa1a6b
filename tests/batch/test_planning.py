import pytest

from asyncscribe.batch import JobRecord, Plan, SavedState
from asyncscribe.batch.planning import is_paid, plan


def job(step: SavedState, **more: object) -> JobRecord:
    return JobRecord(7, "service", "content", "config", step, **more)


@pytest.mark.parametrize(
    ("step", "outputs_exist", "files", "options", "expected"),
    [
        (SavedState.COMPLETED, {"json"}, {"json": 7}, {}, Plan.NOTHING),
        (SavedState.COMPLETED, {"json"}, {"json": 6}, {}, Plan.WORK),
        (SavedState.COMPLETED, set(), {"json": 7}, {}, Plan.WORK),
        (SavedState.COMPLETED, {"json"}, {}, {}, Plan.WORK),
        (SavedState.COMPLETED, {"json", "srt"}, {"json": 7}, {"formats": ["json", "srt"]}, Plan.WORK),
        (SavedState.COMPLETED, {"json"}, {"json": 7}, {"under_way": True}, Plan.SHARE),
        (SavedState.FAILED, {"json"}, {"json": 7}, {}, Plan.LEAVE),
        (SavedState.FAILED, set(), {}, {"retry_failed": True}, Plan.BEGIN_AGAIN),
        (SavedState.SUBMITTED, {"json"}, {"json": 7}, {}, Plan.WORK),
        (SavedState.FOUND, set(), {}, {}, Plan.WORK),
    ],
)
def test_what_is_done_about_a_recording(step, outputs_exist, files, options, expected):
    known = {"formats": ["json"], "outputs_exist": outputs_exist, "files": files}
    assert plan(job(step), **{**known, **options}) is expected


def test_what_was_or_may_have_been_submitted_is_paid():
    assert is_paid(job(SavedState.SUBMITTED, ids=("x",)))
    assert is_paid(job(SavedState.SUBMITTING, doubtful_url="https://a.test/"))
    assert not is_paid(job(SavedState.UPLOADED, audio_url="https://a.test/"))

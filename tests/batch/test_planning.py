import errno

import pytest

from asyncscribe import AuthenticationError, BadRequest, ConnectFailed, NotFound, SourceError, WaitRefused
from asyncscribe.batch import JobRecord, Plan, SavedState
from asyncscribe.batch.planning import is_paid, plan
from asyncscribe.batch.verdict import UNREACHABLE, Ending, Reachability, fills_up, judge
from asyncscribe.errors import JournalError


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


def refusal(kind, status):
    return kind("GET /", status, "no")


@pytest.mark.parametrize(
    ("error", "ending", "category", "stops"),
    [
        (None, Ending.COMPLETED, "", False),
        (refusal(BadRequest, 400), Ending.FAILED, "refused", False),
        (WaitRefused(refusal(NotFound, 404), "id"), Ending.FAILED, "gone", False),
        (refusal(AuthenticationError, 401), Ending.OPEN, "", True),
        (JournalError("path", "full"), Ending.OPEN, "", True),
        (SourceError("a.wav", "is empty"), Ending.OPEN, "", False),
    ],
)
def test_what_an_end_means(error, ending, category, stops):
    verdict = judge(error)
    assert (verdict.ending, verdict.category, verdict.stops) == (ending, category, stops)


def test_a_full_disk_is_told_from_a_name_that_can_not_be_written():
    assert fills_up(OSError(errno.ENOSPC, "full"))
    assert not fills_up(OSError(errno.ENAMETOOLONG, "long"))
    assert not fills_up(ValueError())


def test_a_service_is_lost_after_so_many_failures_in_a_row():
    reachability = Reachability()
    for _ in range(UNREACHABLE - 1):
        reachability.ended(ConnectFailed("GET /", "refused"))
    reachability.ended(None)
    assert not reachability.is_lost
    for _ in range(UNREACHABLE):
        reachability.ended(ConnectFailed("GET /", "refused"))
    assert reachability.is_lost

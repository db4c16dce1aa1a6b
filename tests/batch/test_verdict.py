"""What the end of a job means for its batch."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import (
    AuthenticationError,
    BadRequest,
    ConnectFailed,
    NotFound,
    PermissionDenied,
    SourceError,
    Transcript,
    TranscriptionFailed,
    WaitRefused,
)
from asyncscribe.batch.verdict import UNREACHABLE, Ending, Reachability, Verdict, fills_up, judge
from asyncscribe.errors import FailureCategory, JournalBusy, JournalError, LeaseLost, SubmissionInDoubt, WaitTimeout


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


def failed(number, reason="Transcoding failed"):
    transcript = Transcript.model_validate({"id": f"t-{number}", "status": "error", "error": reason})
    return TranscriptionFailed(transcript, FailureCategory.INPUT, number)


def test_equal_failures_have_equal_reasons_whatever_their_ids():
    assert judge(failed(1)) == judge(failed(2)) == Verdict(Ending.FAILED, "Transcoding failed", "input")


def test_what_is_only_hidden_is_not_given_up():
    assert judge(WaitRefused(refusal(PermissionDenied, 403), "id")).ending is Ending.OPEN


def test_a_transcript_that_is_gone_is_paid_again_only_on_request():
    assert "--retry-failed" in judge(WaitRefused(refusal(NotFound, 404), "id")).reason


@pytest.mark.parametrize(
    "error", [SubmissionInDoubt("https://a.test/", "lost"), WaitTimeout("too long", "t-1"), RuntimeError("a mistake")]
)
def test_what_may_still_come_to_a_transcript_stays_open_and_stops_nothing(error):
    assert judge(error) == Verdict(Ending.OPEN, str(error))


@pytest.mark.parametrize("error", [JournalBusy("journal", "another"), LeaseLost("journal", "late")])
def test_every_trouble_with_the_journal_stops_the_batch(error):
    assert judge(error).stops


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_quota_and_a_read_only_disk_are_full_too(number):
    assert fills_up(OSError(number, "no"))


@given(st.lists(st.booleans(), max_size=4 * UNREACHABLE))
def test_the_service_is_lost_exactly_while_the_last_ends_were_all_failed_connections(failures):
    reachability = Reachability()
    for count, is_failed in enumerate(failures, 1):
        reachability.ended(ConnectFailed("GET /", "refused") if is_failed else SourceError("a.wav", "is empty"))
        row = failures[:count][-UNREACHABLE:]
        assert reachability.is_lost == (len(row) == UNREACHABLE and all(row))

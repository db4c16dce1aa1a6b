"""What a batch remembers, as values."""

from datetime import UTC, datetime

import msgspec
import pytest

from asyncscribe.batch import Entry, JobRecord, Recording, SavedState
from asyncscribe.ledger import ResumePoint

RECORDING = Recording("/in/a.wav", "a.wav", "in/a.wav")


def job(step=SavedState.FOUND, key=7, **more):
    return JobRecord(key, "service", "content", "config", step, **more)


def test_a_new_job_is_resumed_from_nothing():
    assert job().resume == ResumePoint()


def test_a_job_is_resumed_with_all_that_is_known_in_utc():
    moment = datetime(2026, 11, 20, 12, 0, 0, 500_000, UTC)
    known = job(
        audio_url="https://a.test/",
        uploaded=moment.timestamp(),
        ids=("t-1", "t-2"),
        doubtful_url="https://b.test/",
        doubtful_since=moment.timestamp() + 1,
    )
    resume = known.resume
    assert (resume.audio_url, resume.ids, resume.doubtful_url) == ("https://a.test/", ("t-1", "t-2"), "https://b.test/")
    assert resume.uploaded == moment
    assert resume.uploaded.tzinfo is UTC
    assert (resume.in_doubt_since - moment).total_seconds() == 1


def test_the_beginning_of_unix_time_is_a_moment_and_no_none():
    assert job(uploaded=0.0).resume.uploaded == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_file_of_another_job_is_not_this_ones_transcript():
    assert Entry(RECORDING, job(key=7), {"json": 6, "srt": 7}).written
    assert not Entry(RECORDING, job(key=7), {"json": 6}).written
    assert not Entry(RECORDING, None, {"json": 6}).written
    assert not Entry(RECORDING, job()).written


def test_the_reason_of_the_job_comes_before_what_kept_it_from_being_tried():
    failed = job(SavedState.FAILED, reason="no speech")
    assert Entry(RECORDING, failed, problem="can't be read").reason == "no speech"
    assert Entry(RECORDING, job(), problem="can't be read").reason == "can't be read"
    assert Entry(RECORDING, None, problem="can't be read").reason == "can't be read"
    assert Entry(RECORDING, None).reason is None


def test_what_is_remembered_can_not_be_changed_in_place():
    with pytest.raises(AttributeError):
        job().step = SavedState.COMPLETED
    changed = msgspec.structs.replace(job(), step=SavedState.COMPLETED)
    assert changed.step is SavedState.COMPLETED

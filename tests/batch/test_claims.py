"""Alone on a batch, all jobs are one's own."""

from datetime import UTC, datetime

import pytest

from asyncscribe import SourceError
from asyncscribe.batch import BatchItem, Newcomer, Recording, SavedState, SqliteJournal
from asyncscribe.batch.allowance import Admission
from asyncscribe.batch.claims import Alone
from asyncscribe.batch.finding import Candidate

URL = "https://a.test/1.mp3"


@pytest.fixture
async def journal(tmp_path):
    async with SqliteJournal(tmp_path) as opened:
        await opened.bind("https://service.test", lasting=True)
        yield opened


@pytest.fixture
async def find(journal):
    (entry,) = await journal.name([Newcomer(URL, URL, "1.mp3")])
    recording = Recording(URL, entry.recording.name, URL, content=f"url:{URL}")
    (job,) = await journal.assign([recording], "c")
    return Candidate(BatchItem(URL, "1.mp3"), recording, None, job)


async def job_now(journal):
    return (await journal.entries([URL]))[URL].job


async def test_a_recording_is_ones_own_as_soon_as_it_has_a_job(journal, find):
    alone = Alone(journal)
    assert await alone.claim(find)
    find.job = None
    assert not await alone.claim(find)
    assert alone.others == 0


async def test_a_job_is_resumed_from_what_the_journal_has(journal, find):
    ledger = Alone(journal).ledger(find.job, None)
    since = datetime(2026, 11, 20, 12, tzinfo=UTC)
    await ledger.submitting(URL, since)
    resume = Alone(journal).resume(await job_now(journal))
    assert (resume.doubtful_url, resume.in_doubt_since, resume.idle) == (URL, since, None)


async def test_steps_are_kept_under_the_number_of_the_job(journal, find):
    ledger = Alone(journal).ledger(find.job, 60.0)
    await ledger.submitted("t-1")
    job = await job_now(journal)
    assert (job.step, job.ids) == (SavedState.SUBMITTED, ("t-1",))


async def test_an_upload_that_fails_its_check_is_not_kept(journal, find):
    async def changed():
        raise SourceError("a.wav", "changed while it was sent")

    ledger = Alone(journal).ledger(find.job, None, changed)
    with pytest.raises(SourceError, match="changed"):
        await ledger.uploaded("https://cdn.test/1")
    assert (await job_now(journal)).audio_url is None


async def test_the_runs_own_allowance_decides(journal, find):
    alone = Alone(journal)
    assert await alone.admit(find.job, 1e9, is_bound=True) is Admission.GRANTED
    await alone.settle(find.job, 1e9)
    await alone.pause()
    assert await alone.admit(find.job, 1e9, is_bound=False) is Admission.GRANTED
    assert alone.pool(["s3://bucket"], "c") is None

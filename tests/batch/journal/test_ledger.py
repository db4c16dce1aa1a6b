"""The ledger of one job, in a journal that is opened again."""

from datetime import UTC, datetime

import pytest

from asyncscribe import SourceError
from asyncscribe.batch import Newcomer, Recording, SavedState, SqliteJournal
from asyncscribe.batch.journal.ledger import ENDED, JournalLedger
from asyncscribe.lifecycle import JobState

URL = "https://a.test/1.mp3"
SINCE = datetime(2026, 11, 20, 12, 30, 0, 250_000, UTC)


@pytest.fixture
async def journal(tmp_path):
    async with SqliteJournal(tmp_path) as opened:
        await opened.bind("https://service.test", lasting=True)
        yield opened


@pytest.fixture
async def ledger(journal):
    (entry,) = await journal.name([Newcomer(URL, URL, "1.mp3")])
    (job,) = await journal.assign([Recording(URL, entry.recording.name, URL, content=f"url:{URL}")], "c")
    return JournalLedger(journal, job.key, {"found": 1.0})


async def kept(journal):
    return (await journal.entries([URL]))[URL].job


async def test_each_step_is_in_the_journal_once_it_was_told(journal, ledger):
    await ledger.uploaded("https://cdn.test/1")
    assert (await kept(journal)).step is SavedState.UPLOADED
    await ledger.submitting("https://cdn.test/1", SINCE)
    job = await kept(journal)
    assert (job.step, job.doubtful_url, job.doubtful_since) == (
        SavedState.SUBMITTING,
        "https://cdn.test/1",
        SINCE.timestamp(),
    )
    ledger.permit()
    await ledger.submitted("t-1")
    job = await kept(journal)
    assert (job.step, job.ids, job.doubtful_url) == (SavedState.SUBMITTED, ("t-1",), None)


async def test_a_refusal_takes_the_doubt_back(journal, ledger):
    await ledger.uploaded("https://cdn.test/1")
    await ledger.submitting("https://cdn.test/1", SINCE)
    await ledger.refused()
    job = await kept(journal)
    assert (job.step, job.doubtful_url, job.audio_url) == (SavedState.UPLOADED, None, "https://cdn.test/1")


async def test_moments_are_written_with_the_next_step_and_not_before(journal, ledger):
    ledger.moved(JobState.WAITING)
    assert "waiting" not in (await kept(journal)).times
    await ledger.submitting(URL, SINCE)
    times = (await kept(journal)).times
    assert times["found"] == 1.0
    assert times["waiting"] == ledger.times["waiting"]


async def test_the_end_at_the_service_is_kept_at_once_to_the_millisecond(journal, ledger):
    await ledger.ended(1234.56789)
    assert (await kept(journal)).times[ENDED] == 1234.568


async def test_a_check_that_fails_keeps_the_upload_out(journal, ledger):
    async def changed():
        raise SourceError("a.wav", "changed")

    job = await kept(journal)
    checked = JournalLedger(journal, job.key, job.times, changed)
    with pytest.raises(SourceError):
        await checked.uploaded("https://cdn.test/1")
    assert (await kept(journal)).step is SavedState.FOUND


def test_the_times_that_were_given_stay_as_they_are():
    given = {"found": 1.0}
    JournalLedger(None, 1, given).moved(JobState.UPLOADING)
    assert given == {"found": 1.0}

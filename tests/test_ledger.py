"""What a job keeps outside of its process, and goes on from."""

from datetime import UTC, datetime

import pytest

from asyncscribe import JournalError, TranscriptionRequest
from asyncscribe.ledger import NullLedger, ResumePoint
from asyncscribe.server import faults
from tests.support import open_client, recording


class Kept:
    """Remembers the steps in their order, and fails before one of them."""

    def __init__(self, fails=None):
        self.steps = []
        self.fails = fails

    def _take(self, step):
        if step == self.fails:
            raise JournalError("journal", "it is full")
        self.steps.append(step)

    async def uploaded(self, audio_url):
        self._take("uploaded")

    async def submitting(self, audio_url, since):
        assert since.tzinfo is not None
        self._take("submitting")

    def permit(self):
        self._take("permit")

    async def refused(self):
        self._take("refused")

    async def submitted(self, transcript_id):
        self._take("submitted")

    def moved(self, state):
        """For the record alone."""


async def test_each_step_is_told_before_what_depends_on_it(server, client):
    ledger = Kept()
    await client.transcribe(TranscriptionRequest(b"\0" * 3_200, ledger=ledger))
    assert ledger.steps == ["uploaded", "submitting", "permit", "submitted"]


@pytest.mark.parametrize("step", ["uploaded", "submitting", "permit"])
async def test_a_step_that_can_not_be_kept_ends_the_job_before_anything_is_paid(server, client, step):
    ledger = Kept(step)
    with pytest.raises(JournalError, match="it is full"):
        await client.transcribe(TranscriptionRequest(b"\0" * 3_200, ledger=ledger))
    assert server.records == []
    assert "submitted" not in ledger.steps


async def test_a_submission_that_is_put_off_is_kept_before_and_after(server, client):
    ledger = Kept()
    server.faults.script("POST", "/v2/transcript", faults.Answer(429, "{}", {"Retry-After": "0"}))
    await client.transcribe(TranscriptionRequest(recording(), ledger=ledger))
    assert ledger.steps[0] == "submitting"
    assert ledger.steps[-1] == "submitted"
    assert ledger.steps.count("submitted") == 1
    assert len(server.records) == 1


async def test_a_job_that_was_submitted_is_waited_for_and_not_paid_again(server, client):
    transcript = await client.transcribe(recording())
    resume = ResumePoint(audio_url=transcript.audio_url, ids=(transcript.id,))
    again = await client.transcribe(TranscriptionRequest("gone.wav", ledger=(ledger := Kept()), resume=resume))
    assert (again.id, ledger.steps, len(server.records)) == (transcript.id, [], 1)


async def test_a_submission_in_doubt_is_looked_for_before_another_is_sent(server, client):
    since = datetime.now(UTC)
    transcript = await client.transcribe(recording("a"))
    resume = ResumePoint(in_doubt_since=since, doubtful_url=recording("a"))
    # What a client has submitted itself, it takes for no other job's.
    async with open_client(server) as later:
        again = await later.transcribe(TranscriptionRequest(recording("a"), resume=resume))
    assert (again.id, len(server.records)) == (transcript.id, 1)


async def test_who_keeps_nothing_permits_everything():
    ledger = NullLedger()
    assert ledger.permit() is None
    assert await ledger.submitting("https://a.test/", datetime.now(UTC)) is None
    assert ResumePoint() == ResumePoint(None, None, (), None, None, None)


async def test_what_could_not_be_kept_is_found_again_by_the_same_client(server, client):
    """The disk was full when the answer came: a later run of the same process looks the submission up."""
    url, since = recording("kept"), datetime.now(UTC)
    with pytest.raises(JournalError, match="it is full"):
        await client.transcribe(TranscriptionRequest(url, ledger=Kept("submitted")))
    resume = ResumePoint(audio_url=url, doubtful_url=url, in_doubt_since=since)
    ledger = Kept()
    transcript = await client.transcribe(TranscriptionRequest(url, ledger=ledger, resume=resume))
    assert [record.id for record in server.records] == [transcript.id]
    assert ledger.steps == ["submitted"]

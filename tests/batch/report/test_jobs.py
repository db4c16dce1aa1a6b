"""The jobs of a report, from the journal and the output folder."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from asyncscribe.batch import Entry, JobRecord, Recording, SavedState
from asyncscribe.batch.report import report_jobs


def entry(identity="https://a.test/a.mp3", step=SavedState.COMPLETED, files=None, **more):
    job = JobRecord(7, "service", "content", "config", step, **more) if step else None
    return Entry(Recording(str(identity), "a.wav", "a.wav", seconds=3.0), job, {"json": 7} if files is None else files)


async def reported(one, folder):
    async def each():
        yield one

    (job,) = [job async for job in report_jobs(each(), folder, folder)]
    return job


async def test_what_nobody_has_read_yet_is_told(tmp_path):
    job = await reported(entry(step=None), tmp_path)
    assert (job.state, job.submissions, job.transcript_id, job.seconds, job.times) == ("pending", 0, None, 3.0, {})


async def test_the_length_that_the_service_told_comes_before_the_probed_one(tmp_path):
    job = await reported(entry(audio_seconds=4.0, ids=("t-1", "t-2")), tmp_path)
    assert (job.seconds, job.submissions, job.transcript_id) == (4.0, 2, "t-2")


async def test_a_document_is_shown_if_it_is_the_jobs_own(tmp_path):
    (tmp_path / "a.wav.json").write_text('{"id": "t", "status": "completed", "text": "Grüße."}')
    assert (await reported(entry(), tmp_path)).transcript.text == "Grüße."
    assert (await reported(entry(files={"json": 6}), tmp_path)).transcript is None
    assert (await reported(entry(files={"srt": 7}), tmp_path)).transcript is None


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b'{"text": "of nothing"}'])
async def test_a_document_that_can_not_be_read_is_left_out(tmp_path, content):
    if content is not None:
        (tmp_path / "a.wav.json").write_bytes(content)
    assert (await reported(entry(), tmp_path)).transcript is None


async def test_a_recording_is_heard_from_where_it_is_while_it_is_there(tmp_path):
    path = tmp_path / "in" / "50% ü#?.wav"
    path.parent.mkdir()
    path.write_bytes(b"x")
    relative, whole = (await reported(entry(path), tmp_path / "out")).audio
    assert unquote(relative) == "../in/50% ü#?.wav"
    assert not set("#? ") & set(relative)
    assert whole == path.as_uri()
    path.unlink()
    assert (await reported(entry(path), tmp_path / "out")).audio == ()


async def test_an_address_is_not_linked(tmp_path):
    assert (await reported(entry("https://a.test/a.mp3"), tmp_path)).audio == ()
    assert (await reported(entry(f"file://other-host{Path(__file__)}"), tmp_path)).audio == ()

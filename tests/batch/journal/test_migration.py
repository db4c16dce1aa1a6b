"""Journals of earlier versions, made by the code of then."""

import os
import sqlite3
from pathlib import Path

import pytest

from asyncscribe.batch import Batch, Format, Plan, SqliteJournal, Survey
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, MIGRATIONS
from tests.support import recording

FORMATS = [Format.JSON, Format.SRT]
#: When its files were changed, nanoseconds.
MODIFIED = {"a.wav": 1795297043411151821, "b.wav": 1795297043411188222, "copy of a.wav": 1795297043411213265}
SOURCES = ["in", recording("good"), recording("bad", error="Transcoding failed")]


@pytest.fixture(params=[1, 2])
async def place(request, tmp_path, monkeypatch, server, client):
    """The folder in which a batch of `in/`, two addresses and a missing file was run by an earlier version."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name, moment in MODIFIED.items():
        path = tmp_path / "in" / name
        path.write_bytes((b"\x02" if name == "b.wav" else b"\x01") * 3200)
        os.utime(path, ns=(moment, moment))
    for name in (*MODIFIED, "good.mp3"):
        for form in FORMATS:
            (tmp_path / "out" / f"{name}.{form.value}").write_text("{}")
    known = (await (await client.submit(recording("known"))).wait()).id
    text = (Path(__file__).parent / "version2.sql").read_text().replace("{service}", server.base_url)
    for transcript_id in ("24252e60-a0f5-4812-9036-bf612c95f6c5", "e86ad32c-4175-4d2b-91cf-058a8eebf9c5"):
        text = text.replace(transcript_id, known)
    connection = sqlite3.connect(tmp_path / "out" / JOURNAL_NAME)
    connection.executescript(text)
    if request.param == 1:
        connection.executescript("ALTER TABLE recordings DROP COLUMN problem; PRAGMA user_version=1;")
    connection.close()
    return tmp_path


async def test_a_batch_of_an_earlier_version_goes_on_and_pays_nothing_again(server, client, place):
    before = server.requests["POST /v2/transcript"]
    async with Batch(client, "out", formats=FORMATS) as batch:
        outcomes = [outcome async for outcome in batch.run(SOURCES)]
    assert (outcomes, batch.skipped, batch.left) == ([], 4, 1)
    assert server.requests["POST /v2/transcript"] == before
    connection = sqlite3.connect(place / "out" / JOURNAL_NAME)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


async def test_it_can_be_looked_at_without_being_changed(server, place):
    before = (place / "out" / JOURNAL_NAME).read_bytes()
    async with SqliteJournal(Path("out"), read_only=True) as journal:
        entries = [entry async for entry in journal.all()]
        survey = Survey("out", journal, server.base_url, formats=FORMATS)
        plans = [forecast.plan async for forecast in survey.run(SOURCES)]
    assert [entry.recording.name for entry in entries][:2] == ["a.wav", "b.wav"]
    assert all(entry.files.keys() == {"json", "srt"} for entry in entries[:2])
    assert plans.count(Plan.NOTHING) == 4
    assert (place / "out" / JOURNAL_NAME).read_bytes() == before
    assert not [path for path in (place / "out").iterdir() if path.name.endswith(("-wal", "-shm"))]


async def test_a_journal_in_a_folder_that_can_not_be_written_can_be_looked_at(server, client, folder, tmp_path):
    output = tmp_path / "out"
    async with Batch(client, output) as batch:
        assert len([outcome async for outcome in batch.run([str(folder)])]) == 5
    before = sorted(path.name for path in output.iterdir())
    connect = sqlite3.connect

    def refuse(database, **options):
        # What SQLite does on read-only media, where even root can't make the files beside the database.
        if str(database).startswith("file:"):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(database, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite3, "connect", refuse)
        patched.setattr(os, "access", lambda path, mode: mode == os.R_OK)
        async with SqliteJournal(output, read_only=True) as journal:
            assert len([entry async for entry in journal.all()]) == 5
    assert sorted(path.name for path in output.iterdir()) == before

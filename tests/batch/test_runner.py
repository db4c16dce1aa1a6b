import json
import os
import time

import pytest

from asyncscribe import SourceError, TranscriptionConfig
from asyncscribe.batch import Batch, Format
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.events import LimitChanged
from asyncscribe.server import faults
from tests.support import open_client, recording


async def test_every_recording_becomes_its_files(server, client, folder, tmp_path):
    output = tmp_path / "out"
    options = {"formats": [Format.JSON, Format.SRT], "config": TranscriptionConfig(punctuate=False)}
    async with Batch(client, output, **options) as batch:
        assert await batch.count([str(folder)]) == 5
        outcomes = [outcome async for outcome in batch.run([str(folder)])]
    assert {outcome.error for outcome in outcomes} == {None}
    written = sorted(
        path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file() and path.name[0] != "."
    )
    names = ["a.mp3", "a.wav", "-dash.wav", "with space.wav", "Straße/日本語.ogg"]
    assert written == sorted(f"{name}.{suffix}" for name in names for suffix in ("json", "srt"))
    assert all(path.exists() for outcome in outcomes for path in outcome.files)
    assert server.records[0].document["punctuate"] is False


async def test_failures_are_outcomes(server, client, folder, tmp_path):
    sources = [str(folder), "missing.wav", recording("bad", error="Transcoding failed"), recording("good")]
    async with Batch(client, tmp_path / "out") as batch:
        outcomes = {outcome.item.name: outcome async for outcome in batch.run(sources)}
    assert len(outcomes) == 8
    assert isinstance(outcomes["missing.wav"].error, SourceError)
    assert "Transcoding failed" in str(outcomes["bad.mp3"].error)
    assert json.loads(outcomes["good.mp3"].files[0].read_text())["status"] == "completed"


async def test_a_transcript_that_can_not_be_written_is_not_lost(server, client, tmp_path):
    output = tmp_path / "out"
    (output / "good.mp3.json").mkdir(parents=True)
    async with Batch(client, output) as batch:
        (outcome,) = [outcome async for outcome in batch.run([recording("good")])]
    assert isinstance(outcome.error, OSError)
    assert outcome.transcript.id in outcome.error.__notes__[0]
    assert outcome.files == ()


async def test_every_change_of_the_limit_is_kept_with_its_moment(server, tmp_path):
    events = []
    before = time.time()
    sources = [recording(str(number), seconds=0.05) for number in range(40)]
    async with open_client(server, concurrency=20, on_event=events.append) as client:
        async with Batch(client, tmp_path / "out") as batch:
            assert all([outcome.error is None async for outcome in batch.run(sources)])
        async with SqliteJournal(tmp_path / "out", read_only=True) as journal:
            kept = await journal.limits()
    told = [event.limit for event in events if isinstance(event, LimitChanged)]
    # The last change may come after the last outcome.
    assert len(kept) > 2
    assert [limit for _, limit in kept] == [20, *told][: len(kept)]
    moments = [moment for moment, _ in kept]
    assert before <= moments[0]
    assert moments == sorted(moments)


async def test_unreadable_folders_are_told(server, client, folder, tmp_path, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    async with Batch(client, tmp_path / "out") as batch:
        assert batch.unreadable == []
        assert [outcome async for outcome in batch.run([str(folder)])] == []
    assert batch.unreadable[0].path == folder


async def test_faults_on_the_way_cost_no_file(server, client, folder, tmp_path):
    server.faults.script("POST", "/v2/upload", faults.Drop(), faults.Answer(500), faults.CutBody())
    server.faults.script("POST", "/v2/transcript", faults.Drop(faults.When.AFTER))
    async with Batch(client, tmp_path / "out") as batch:
        outcomes = [outcome async for outcome in batch.run([str(folder)])]
    assert [outcome.error for outcome in outcomes] == [None] * 5
    assert len(server.records) == 5


async def test_a_batch_that_is_not_open_says_so(client, folder, tmp_path):
    batch = Batch(client, tmp_path / "out")
    with pytest.raises(RuntimeError, match="the batch is not open"):
        await anext(batch.run([str(folder)]))
    async with batch:
        assert len([outcome async for outcome in batch.run([str(folder)])]) == 5
    with pytest.raises(RuntimeError, match="the batch is not open"):
        await anext(batch.run([str(folder)]))

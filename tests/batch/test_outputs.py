import asyncio
import json
import os

import pytest

from asyncscribe import Transcript
from asyncscribe.batch.outputs import FolderOutputs, Format, render

TRANSCRIPT = Transcript.model_validate(
    {"id": "t", "status": "completed", "text": "Grüße.", "words": [{"text": "Grüße.", "start": 0, "end": 500}]}
)


async def test_a_file_for_each_format_beside_one_another(tmp_path):
    outputs = FolderOutputs(tmp_path / "out", list(Format))
    paths = await outputs.write("sub/a.mp3", TRANSCRIPT)
    assert [path.name for path in paths] == ["a.mp3.text", "a.mp3.txt", "a.mp3.json", "a.mp3.srt", "a.mp3.vtt"]
    assert paths == outputs.paths("sub/a.mp3")
    assert json.loads(paths[2].read_text("utf-8")) == TRANSCRIPT.document
    assert paths[0].read_text("utf-8") == "Grüße.\n"
    assert paths[3].read_text("utf-8").startswith("1\n00:00:00,000 --> ")
    assert sorted((tmp_path / "out" / "sub").iterdir()) == sorted(paths)


async def test_a_format_named_twice_is_written_once(tmp_path):
    assert len(FolderOutputs(tmp_path, [Format.JSON, Format.JSON]).paths("a")) == 1


def test_an_empty_transcript_is_an_empty_line():
    empty = Transcript.model_validate({"id": "t", "status": "completed"})
    assert render(empty, Format.TEXT) == "\n"
    assert render(empty, Format.VTT) == "WEBVTT\n"


async def test_a_cancelled_write_is_still_whole(tmp_path, monkeypatch):
    fsync, entered = os.fsync, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(descriptor):
        loop.call_soon_threadsafe(entered.set)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    task = asyncio.create_task(FolderOutputs(tmp_path, [Format.TEXT]).write("a", TRANSCRIPT))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await loop.shutdown_default_executor()
    assert list(tmp_path.iterdir()) == [tmp_path / "a.text"]
    assert (tmp_path / "a.text").read_text("utf-8") == "Grüße.\n"

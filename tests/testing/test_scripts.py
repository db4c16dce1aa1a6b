from pathlib import Path

import pytest

from asyncscribe.testing import ScriptedEngine, Server, SyncServer
from tests.testing.conftest import URL, text_of


@pytest.mark.parametrize("kind", [str, Path])
async def test_an_upload_is_known_by_the_content_of_a_file(scripted, quick, tmp_path, kind):
    scripted.on(kind(tmp_path / "interview.mp3"), text="Good morning.")
    scripted.on(tmp_path / "never-there.mp3", text="wrong")
    (tmp_path / "interview.mp3").write_bytes(b"one" * 1000)
    (tmp_path / "copy.mp3").write_bytes(b"one" * 1000)
    (tmp_path / "other.mp3").write_bytes(b"two" * 1000)
    assert await text_of(quick, tmp_path / "copy.mp3") == "Good morning."
    assert (await text_of(quick, tmp_path / "other.mp3")) == ""


async def test_an_upload_is_known_by_its_bytes(scripted, quick):
    scripted.on(b"one", text="First.")
    scripted.on(b"two", text="Second.")
    assert [await text_of(quick, content) for content in (b"two", b"one")] == ["Second.", "First."]


@pytest.mark.parametrize(
    "source",
    [
        URL,
        "https://recordings.test/2024/call-7.mp3",
        "call-7.mp3",
        "call-*.mp3",
        "*/call-*.mp3",
        "https://recordings.test/*",
    ],
)
async def test_an_address_is_known_whole_by_a_pattern_or_by_its_last_part(scripted, quick, source):
    scripted.on("*/call-8.mp3", text="wrong")
    scripted.on(source, text="Good morning.")
    assert await text_of(quick, URL) == "Good morning."


async def test_letters_that_mean_something_in_a_pattern_are_also_just_letters(scripted, quick):
    scripted.on("call [1].mp3", text="Good morning.")
    assert await text_of(quick, "https://recordings.test/call%20%5B1%5D.mp3") == "Good morning."


async def test_a_file_is_not_taken_for_an_address_nor_an_address_for_a_file(scripted, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("call-7.mp3").write_bytes(b"content")
    scripted.on(Path("call-7.mp3"), text="a file")
    scripted.on(b"content!", text="bytes")
    scripted.on("*", text="an address")
    assert await text_of(quick, URL) == "an address"
    assert await text_of(quick, "call-7.mp3") == "a file"


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a", "error": "b"},
        {"error": "a", "duration": 3},
        {"error": ""},
        {"text": 7},
        {"text": ["one", "two"]},
        {"text": [("", "nobody")]},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"duration": -1},
        {"server_errors": -1},
        {"times": 0},
    ],
)
def test_contradictions_are_refused_at_once(wrong):
    for script in (Server().then, SyncServer().then, lambda **given: ScriptedEngine().on("a.mp3", **given)):
        with pytest.raises(ValueError, match="="):
            script(**wrong)


@pytest.mark.parametrize("source", ["", b"", None, 7])
def test_a_source_that_is_none_is_refused(source):
    with pytest.raises(ValueError, match="a job is known by"):
        Server().on(source, text="a")

"""The sources that a command line names."""

import io
import sys
from pathlib import Path

import pytest

from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.cli.batch.sources import named, require_all, require_some
from asyncscribe.cli.exits import UserError
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import recording, transcripts


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def test_sources_from_a_file_and_from_stdin(served, folder, output, tmp_path):  # noqa: F811
    listed = tmp_path / "list"
    listed.write_text(f"{folder / 'a.wav'}\n\n{recording('one')}\n")
    result = run("batch", "-", "--from-file", listed, "--output", output, input=recording("two") + "\n")
    assert result.exit_code == 0
    assert transcripts(output) == ["a.wav.json", "one.mp3.json", "two.mp3.json"]
    assert run("batch", "--from-file", tmp_path / "none", "--output", output).exit_code == 2
    assert run("batch", "--output", output).exit_code == 2


def test_a_list_with_a_mark_in_front_and_blank_lines(served, output, tmp_path):  # noqa: F811
    listed = tmp_path / "list"
    listed.write_bytes(b"\xef\xbb\xbf" + recording("a").encode() + b"\r\n   \r\n\r\n" + recording("b").encode())
    assert run("batch", "--from-file", listed, "-O", output).exit_code == 0
    assert transcripts(output) == ["a.mp3.json", "b.mp3.json"]
    assert run("batch", "-", "-O", output, input="\ufeff" + recording("c") + "\n \n").exit_code == 0


@pytest.fixture
def stdin(monkeypatch):
    def says(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return says


def test_all_are_named_in_their_order_and_nothing_is_not(tmp_path, stdin):
    (tmp_path / "list").write_text("d\n")
    stdin(b"b\nc\n")
    assert list(named(["a", "", "-"], tmp_path / "list")) == ["a", "b", "c", "d"]


def test_a_name_that_is_no_text_comes_through(tmp_path, stdin):
    (tmp_path / "list").write_bytes(b"caf\xe9.wav\n")
    stdin(b"caf\xe9.wav\r\n")
    assert list(named(["-"], tmp_path / "list")) == ["caf\udce9.wav"] * 2


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf\n"])
def test_an_empty_list_names_nothing(tmp_path, stdin, content):
    (tmp_path / "list").write_bytes(content)
    stdin(content)
    with pytest.raises(UserError, match="nothing to transcribe is named"):
        list(named(["-"], tmp_path / "list"))


def test_a_list_that_can_not_be_read_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "none", Path("a\0b")):
        with pytest.raises(UserError, match="can't be read"):
            list(named([], path))


def test_a_misspelt_source_is_caught_before_a_batch_was_begun(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "broken.wav").symlink_to(tmp_path / "gone.wav")
    there, gone = str(tmp_path / "a.wav"), str(tmp_path / "gone.wav")
    require_some([gone, there], tmp_path)
    require_all([there, str(tmp_path / "broken.wav"), "https://a.test/", "s3://bucket", str(tmp_path / "*.wav")])
    for check in (lambda: require_some([gone], tmp_path), lambda: require_all([there, gone])):
        with pytest.raises(UserError, match=r"there is no .*gone\.wav"):
            check()
    (tmp_path / JOURNAL_NAME).touch()
    require_some([gone], tmp_path)

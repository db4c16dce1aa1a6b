"""Files that are there whole or not at all."""

import os
import stat
import threading

import pytest

from asyncscribe import Transcript
from asyncscribe.batch.outputs import Format, render
from asyncscribe.files import whole_or_nothing, write_atomically


def test_a_text_with_half_a_character_can_be_written(tmp_path):
    odd = Transcript.model_validate({"id": "t", "status": "completed", "text": "odd \ud83d"})
    write_atomically(tmp_path / "a", render(odd, Format.TEXT))
    assert (tmp_path / "a").read_text() == "odd \\ud83d\n"


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_that_a_file_can_have_works(tmp_path):
    path = tmp_path / ("x" * 255)
    write_atomically(path, "content")
    assert path.read_text() == "content"


def test_files_get_the_users_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_ends_the_writing_leaves_nothing_half_written(tmp_path, error):
    with pytest.raises(error), whole_or_nothing(tmp_path / "a") as place:
        place.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_one_who_writes_nothing_has_no_file(tmp_path):
    with pytest.raises(FileNotFoundError), whole_or_nothing(tmp_path / "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_written_over(tmp_path):
    with whole_or_nothing(tmp_path / "a") as place:
        place.write_text("left behind")
        left = place
        left.with_name("copy").write_bytes(left.read_bytes())
    left.with_name("copy").rename(left)
    write_atomically(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "new"


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError):  # noqa: PT011 - of several kinds
        write_atomically(tmp_path / "a", "content")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    write_atomically(path, "content")
    reader.join()
    assert read == ["content"]
    assert path.is_fifo()


def test_folders_are_made_and_line_breaks_stay_as_they_are(tmp_path):
    write_atomically(tmp_path / "x" / "y" / "a", "1\n2\r\n")
    assert (tmp_path / "x" / "y" / "a").read_bytes() == b"1\n2\r\n"

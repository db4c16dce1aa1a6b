import os
from pathlib import Path

import pytest

from asyncscribe.batch.inputs.discovery import Discovery, Item, is_media


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "in"
    for name in ["b.wav", "a.mp3", "a.wav", "sub/deep/c.FLAC", "notes.txt", ".hidden.wav", ".git/x.wav", "-dash.ogg"]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


async def names(*arguments, output=None) -> list[str]:
    return [item.name async for item in Discovery([str(argument) for argument in arguments], output).items()]


async def test_folders_are_walked_in_a_stable_order_for_media_only(tree):
    assert await names(tree) == ["-dash.ogg", "a.mp3", "a.wav", "b.wav", "sub/deep/c.FLAC"]
    assert await Discovery([str(tree)]).count() == 5


async def test_a_file_that_is_named_is_taken_whatever_it_is_called(tree):
    assert await names(tree / "notes.txt") == ["notes.txt"]
    assert await names(tree / "missing.wav") == ["missing.wav"]


async def test_a_url_is_named_by_its_path():
    urls = ["https://a.test/x/talk%20one.mp3?sig=1", "https://a.test/", "https://b.test/..%2F..%2Fetc.mp3"]
    assert await names(*urls) == ["talk one.mp3", "a.test", "etc.mp3"]


async def test_two_sources_never_have_one_name(tree, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.wav").write_bytes(b"y")
    found = await names(tree, other, "https://a.test/a.wav", "https://b.test/a.wav")
    assert len(found) == len(set(found)) == 8
    assert found == await names(tree, other, "https://a.test/a.wav", "https://b.test/a.wav")
    assert all(name.endswith(".wav") for name in found[5:])


async def test_what_is_given_twice_is_taken_once(tree):
    assert len(await names(tree, tree)) == 5
    assert len(await names(tree, tree / "sub", tree / "a.wav")) == 5
    assert len(await names(tree / "notes.txt", tree)) == 6
    assert len(await names("https://a.test/a.wav", "https://a.test/a.wav")) == 1


async def test_a_loop_of_links_ends(tree):
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "sub" / "self").symlink_to(tree / "sub")
    assert len(await names(tree)) == 5


async def test_odd_entries_and_arguments_stop_nothing(tree):
    (tree / "loop").symlink_to("loop")
    found = await names(tree, "http://[bad/x.mp3", "x" * 300)
    assert len(found) == 7


async def test_a_hidden_file_that_is_named_is_not_taken_for_one_that_was_found(tree):
    assert len(await names(tree, tree / ".hidden.wav")) == 6
    assert "x.wav" in await names(tree, tree / ".git" / "x.wav")


async def test_the_output_folder_is_not_looked_into(tree):
    output = tree / "out"
    output.mkdir()
    (output / "a.wav").write_bytes(b"x")
    assert len(await names(tree, output=output)) == 5


async def test_an_unreadable_folder_is_reported_and_stops_nothing(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    discovery = Discovery([str(tree)])
    assert len([item async for item in discovery.items()]) == 4
    assert discovery.unreadable[0].path == tree / "sub"
    assert discovery.unreadable[0].problem == "Permission denied"


async def test_names_that_are_not_utf8_are_found(tree):
    name = b"caf\xe9.wav"
    (Path(os.fsdecode(os.fsencode(tree) + b"/" + name))).write_bytes(b"x")
    assert os.fsdecode(name) in await names(tree)


async def test_many_files_are_found_lazily(tmp_path):
    for number in range(250):
        (tmp_path / f"{number:03}.wav").touch()
    items = Discovery([str(tmp_path)]).items()
    assert await anext(items) == Item(tmp_path / "000.wav", "000.wav")
    await items.aclose()
    assert len(await names(tmp_path)) == 250


def test_media_are_known_by_their_names():
    assert is_media("A.MP3")
    assert not is_media("mp3")
    assert not is_media("a.json")


async def test_patterns_that_no_shell_has_expanded(folder, tmp_path):
    (folder / "notes.txt").write_text("nothing to hear")
    (folder / "odd[1].wav").write_bytes(b"x")

    async def names(pattern):
        return sorted([item.name async for item in Discovery([str(pattern)]).items()])

    assert await names(folder / "*.wav") == ["-dash.wav", "a.wav", "odd[1].wav", "with space.wav"]
    assert await names(folder / "*") == [
        "-dash.wav",
        "Straße/日本語.ogg",
        "a.mp3",
        "a.wav",
        "odd[1].wav",
        "with space.wav",
    ]
    assert await names(tmp_path / "**" / "*.ogg") == ["in/Straße/日本語.ogg"]
    assert await names(folder / "odd[1].wav") == ["odd[1].wav"]
    assert await names(folder / "*.none") == ["*.none"]

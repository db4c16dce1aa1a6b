import os
from pathlib import Path, PureWindowsPath

import pytest

from asyncscribe.batch.inputs.discovery import BatchItem, Discovery, is_media
from asyncscribe.batch.inputs.naming import safe


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


async def test_what_is_given_twice_is_taken_once(tree):
    assert len(await names(tree, tree)) == 5
    assert len(await names(tree, tree / "sub", tree / "a.wav")) == 5
    assert len(await names(tree / "notes.txt", tree)) == 6
    assert len(await names("https://a.test/a.wav", "https://a.test/a.wav")) == 1
    assert len(await names("https://a.test/a.wav?signature=1", "https://a.test/a.wav?signature=2")) == 1
    assert len(await names("https://a.test/a.wav?page=1", "https://a.test/a.wav?page=2")) == 2


async def test_pipes_sockets_and_devices_are_told_and_left_out(tree):
    os.mkfifo(tree / "pipe.mp3")
    discovery = Discovery([str(tree), str(tree / "pipe.mp3"), "/dev/null"])
    assert len([item async for item in discovery.items()]) == 5
    assert {(Path(one.path).name, "pipe" in one.problem) for one in discovery.unreadable} == {
        ("pipe.mp3", True),
        ("null", True),
    }


async def test_typescript_is_no_video_unless_it_is_named(tree):
    (tree / "app.ts").write_text("export const answer: number = 42; // ü\n")
    (tree / "film.ts").write_bytes(b"G@\x00\x10\x00" + bytes(range(256)))
    assert set(await names(tree)) - {"film.ts"} == {"-dash.ogg", "a.mp3", "a.wav", "b.wav", "sub/deep/c.FLAC"}
    assert await names(tree / "app.ts") == ["app.ts"]


async def test_the_output_folder_as_a_source_is_told(tree):
    discovery = Discovery([str(tree)], tree)
    assert [item async for item in discovery.items()] == []
    assert "output folder itself" in discovery.unreadable[0].problem


async def test_nothing_leads_out_of_the_output_folder(tree):
    (tree.parent / "up.wav").write_bytes(b"x")
    assert await names(str(tree / "sub" / ".." / ".." / "*.wav")) == ["up.wav"]
    (tree / "sub" / "below.wav").write_bytes(b"x")
    found = await names(f"{tree}/*/../sub/below.wav")
    assert found
    assert ".." not in "/".join(found).split("/")


@pytest.mark.parametrize("name", ["D:/x.wav", "../x.wav", "/x.wav", "a/../../x.wav", "", "./"])
def test_no_name_leaves_a_folder(name):
    assert not {"..", ""} & set(safe(name).split("/"))
    assert not PureWindowsPath(safe(name)).drive


async def test_many_folders_take_no_longer_than_one_each(tmp_path, monkeypatch):
    folders = []
    for number in range(60):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        (folders[-1] / "a.wav").touch()
    asked = []
    resolve = Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path, **options: asked.append(path) or resolve(path, **options))
    assert len(await names(*folders)) == 60
    assert len(asked) <= 3 * 60


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
    for name in (b"caf\xe9.wav", b"caf\xe8.wav"):
        (Path(os.fsdecode(os.fsencode(tree) + b"/" + name))).write_bytes(b"x")
    found = [name for name in await names(tree) if name.startswith("caf")]
    assert len(set(found)) == 2
    assert all(name.encode() and name.endswith(".wav") for name in found)


async def test_many_files_are_found_lazily(tmp_path):
    for number in range(250):
        (tmp_path / f"{number:03}.wav").touch()
    items = Discovery([str(tmp_path)]).items()
    assert await anext(items) == BatchItem(tmp_path / "000.wav", "000.wav")
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

"""What is known of recordings that were found, by journal and disk."""

import os
from dataclasses import replace

import pytest

from asyncscribe import Transcript
from asyncscribe.batch import BatchItem, Entry, Format, Recording, SavedState, SqliteJournal
from asyncscribe.batch.finding import Finder, known, read, recognised
from asyncscribe.batch.inputs.identity import identity_of, stamp_of
from asyncscribe.batch.outputs import FolderOutputs
from asyncscribe.errors import JournalLost

SERVICE = "https://service.test"
EMPTY = Transcript.model_validate({"id": "t", "status": "completed"})


@pytest.fixture
async def journal(tmp_path):
    async with SqliteJournal(tmp_path / "out") as opened:
        await opened.bind(SERVICE, lasting=True)
        yield opened


@pytest.fixture
def outputs(tmp_path):
    return FolderOutputs(tmp_path / "out", [Format.JSON])


@pytest.fixture
def finder(journal, outputs, tmp_path):
    return Finder(journal, outputs, SERVICE, "c", lambda path: False, tmp_path / "out" / "journal")


def put(path, content=b"\1"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content * 100)
    return BatchItem(path, path.name)


async def taken_in(finder, *items):
    """The recordings as a run has them: found, read, with their jobs."""
    finds = await finder.find(items)
    for find in finds:
        assert find.recording.content or await read(find)
    await finder.assign(finds)
    return finds


async def test_a_new_file_has_a_name_and_no_content_until_it_was_read(finder, tmp_path):
    (find,) = await finder.find([put(tmp_path / "a.wav")])
    assert (find.name, find.recording.content, find.job) == ("a.wav", None, None)
    assert await read(find)
    await finder.assign([find])
    assert find.recording.content.startswith("sha256:")
    assert find.job.step is SavedState.FOUND


async def test_an_unchanged_file_is_known_without_being_read(finder, tmp_path):
    item = put(tmp_path / "a.wav")
    (before,) = await taken_in(finder, item)
    (find,) = await finder.find([item])
    assert (find.job.key, find.recording.content) == (before.job.key, before.recording.content)


async def test_a_changed_file_has_to_be_read_again_and_keeps_its_name(finder, tmp_path):
    item = put(tmp_path / "a.wav")
    (before,) = await taken_in(finder, item)
    put(item.source, b"\2")
    os.utime(item.source, ns=(1, 1))
    (find,) = await finder.find([item])
    assert (find.job, find.recording.content, find.name) == (None, None, before.name)


async def test_of_a_file_that_is_gone_the_job_is_still_known(finder, tmp_path):
    item = put(tmp_path / "a.wav")
    (before,) = await taken_in(finder, item)
    item.source.unlink()
    (find,) = await finder.find([item])
    assert (find.stamp, find.job.key) == (None, before.job.key)


async def test_two_files_of_one_name_are_told_apart_and_the_same_file_elsewhere_is_not(finder, tmp_path):
    one, other = await taken_in(finder, put(tmp_path / "1" / "a.wav", b"\1"), put(tmp_path / "2" / "a.wav", b"\2"))
    assert {one.name, other.name} == {"a.wav", "a~2.wav"}
    (copy,) = await taken_in(finder, put(tmp_path / "3" / "a.wav", b"\2"))
    assert (copy.name, copy.job.key) == (other.name, other.job.key)


async def test_a_transcript_that_the_journal_knows_nothing_of_stops_everything(finder, outputs, tmp_path):
    await outputs.write("a.wav", EMPTY)
    with pytest.raises(JournalLost) as lost:
        await finder.find([put(tmp_path / "a.wav")])
    assert lost.value.transcript == outputs.path("a.wav", "json")


async def test_what_was_written_meanwhile_is_seen_by_looking_again(finder, journal, outputs, tmp_path):
    (find,) = await taken_in(finder, put(tmp_path / "a.wav"))
    await outputs.write("a.wav", EMPTY)
    await journal.completed(find.job.key, {find.recording.identity: ["json"]}, 1.0, {})
    await finder.look_again(find)
    assert (find.outputs_exist, find.files) == ({"json"}, {"json": find.job.key})


async def test_a_job_of_another_service_or_configuration_is_not_ones_own(finder, tmp_path):
    item = put(tmp_path / "a.wav")
    (before,) = await taken_in(finder, item)
    entry = Entry(before.recording, before.job)
    stamp = stamp_of(item.source)
    assert known(item, entry, stamp, frozenset(), SERVICE, "c").job == before.job
    assert known(item, entry, stamp, frozenset(), "https://other.test", "c").job is None
    assert known(item, entry, stamp, frozenset(), SERVICE, "d").job is None


@pytest.mark.parametrize("how", ["missing", "empty", "folder"])
async def test_what_can_not_be_read_is_not_taken_for_read(finder, tmp_path, how):
    path = tmp_path / "in" / "a.wav"
    path.parent.mkdir()
    if how == "empty":
        path.touch()
    if how == "folder":
        path.mkdir()
    (find,) = await finder.find([BatchItem(path, "a.wav")])
    assert not await read(find)
    assert find.recording.content is None


def test_the_length_of_an_object_is_forgotten_with_its_version():
    item = BatchItem("s3://bucket/a.mp3", "a.mp3", "s3://bucket/a.mp3#2")
    before = Recording(identity_of("s3://bucket/a.mp3"), "a.mp3", "a", content="s3://bucket/a.mp3#2", seconds=7.0)
    assert recognised(item, before, None).seconds == 7
    assert recognised(replace(item, content="s3://bucket/a.mp3#3"), before, None).seconds is None

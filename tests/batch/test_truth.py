"""The journal decides: names, jobs and files belong together, whatever is asked for and from wherever."""

import json
import os

from asyncscribe import AsyncClient, SourceError, TranscriptionConfig
from asyncscribe.batch import Batch, Format
from asyncscribe.server import faults
from tests.support import POLLING, recording, transcripts


async def run(client, output, *sources, **options):
    async with Batch(client, output, **options) as batch:
        outcomes = [outcome async for outcome in batch.run([str(source) for source in sources])]
    return batch, outcomes


def paid(server):
    return server.requests["POST /v2/transcript"]


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content * 3200)
    return path


async def text_of(client, path):
    """The URL of the audio that a document is of: it tells contents apart."""
    return json.loads(path.read_text())["audio_url"]


async def test_two_patterns_with_the_same_names_below_make_two_files(server, client, tmp_path):
    put(tmp_path / "A" / "x" / "a.wav", b"\1")
    put(tmp_path / "B" / "x" / "a.wav", b"\2")
    output = tmp_path / "out"
    _, outcomes = await run(client, output, tmp_path / "A" / "*" / "*.wav", tmp_path / "B" / "*" / "*.wav")
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert transcripts(output) == ["x/a.wav.json", "x/a~2.wav.json"]
    batch, outcomes = await run(client, output, tmp_path / "B" / "*" / "*.wav", tmp_path / "A" / "*" / "*.wav")
    assert (outcomes, batch.skipped, paid(server)) == ([], 2, 2)


async def test_another_folder_never_overwrites_what_the_first_gave(server, client, tmp_path):
    put(tmp_path / "R1" / "a.wav", b"\1")
    put(tmp_path / "R2" / "a.wav", b"\2")
    output = tmp_path / "out"
    await run(client, output, tmp_path / "R1")
    first = await text_of(client, output / "a.wav.json")
    await run(client, output, tmp_path / "R2")
    assert await text_of(client, output / "a.wav.json") == first
    assert transcripts(output) == ["a.wav.json", "a~2.wav.json"]


async def test_a_name_does_not_depend_on_what_else_is_named(server, client, tmp_path):
    one, other = put(tmp_path / "1" / "a.wav", b"\1"), put(tmp_path / "2" / "a.wav", b"\2")
    output = tmp_path / "out"
    await run(client, output, one, other)
    batch, outcomes = await run(client, output, other)
    assert (outcomes, batch.skipped) == ([], 1)
    batch, outcomes = await run(client, output, other, one)
    assert (outcomes, batch.skipped, paid(server)) == ([], 2, 2)


async def test_an_address_that_is_signed_anew_is_the_same_recording(server, client, tmp_path):
    output = tmp_path / "out"
    for number in range(3):
        await run(client, output, recording("a", Expires=number, Signature=number))
    assert transcripts(output) == ["a.mp3.json"]
    assert paid(server) == 1


async def test_names_that_are_one_on_some_disks_become_two(server, client, tmp_path):
    for number, name in enumerate(["A.wav", "a.WAV", "caf\u00e9.wav", "cafe\u0301.wav"]):
        put(tmp_path / "in" / name, bytes([number]))
    output = tmp_path / "out"
    await run(client, output, tmp_path / "in")
    folded = {name.casefold().replace("e\u0301", "\u00e9") for name in transcripts(output)}
    assert len(folded) == 4


async def test_files_that_were_swapped_get_their_own_transcripts(server, client, tmp_path):
    one, other = put(tmp_path / "in" / "1.wav", b"\1"), put(tmp_path / "in" / "2.wav", b"\2")
    output = tmp_path / "out"
    await run(client, output, tmp_path / "in")
    before = [await text_of(client, output / f"{number}.wav.json") for number in (1, 2)]
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    await run(client, output, tmp_path / "in")
    assert [await text_of(client, output / f"{number}.wav.json") for number in (1, 2)] == before[::-1]
    assert paid(server) == 2


async def test_options_there_and_back_again_leave_what_was_asked_for_last(server, client, tmp_path):
    output, source = tmp_path / "out", put(tmp_path / "a.wav", b"\1")
    speakers = TranscriptionConfig(speaker_labels=True)
    for config in (None, speakers, None, speakers):
        await run(client, output, source, config=config)
        document = json.loads((output / "a.wav.json").read_text())
        assert bool(document["speaker_labels"]) == (config is speakers)
    assert paid(server) == 2


async def test_each_format_is_known_with_its_job(server, client, tmp_path):
    output, source = tmp_path / "out", put(tmp_path / "a.wav", b"\1")
    await run(client, output, source, formats=[Format.JSON])
    await run(client, output, source, formats=[Format.SRT], config=TranscriptionConfig(speaker_labels=True))
    # The JSON is still of the first job.
    _, outcomes = await run(client, output, source, config=TranscriptionConfig(speaker_labels=True))
    assert len(outcomes) == 1
    assert json.loads((output / "a.wav.json").read_text())["speaker_labels"] is True
    assert paid(server) == 2


async def test_a_folder_that_was_moved_stays_the_same_batch(server, client, folder, tmp_path):
    output = tmp_path / "out"
    await run(client, output, folder)
    before = transcripts(output)
    folder.rename(tmp_path / "elsewhere")
    batch, outcomes = await run(client, output, tmp_path / "elsewhere")
    assert (outcomes, batch.skipped) == ([], 5)
    assert transcripts(output) == before
    assert paid(server) == 5


async def test_a_folder_that_is_seen_from_elsewhere_as_well_keeps_its_names(server, client, folder, tmp_path):
    output = tmp_path / "out"
    await run(client, output, folder)
    (tmp_path / "mounted").mkdir()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        put(tmp_path / "mounted" / path.relative_to(folder), path.read_bytes()[:1])
    await run(client, output, tmp_path / "mounted")
    assert len(transcripts(output)) == 5
    assert paid(server) == 5


async def test_a_name_that_is_nearly_too_long_can_be_written(server, client, tmp_path):
    for length in (242, 251, 255):
        put(tmp_path / "in" / ("a" * (length - 4) + ".wav"), bytes([length % 251]))
    _, outcomes = await run(client, tmp_path / "out", tmp_path / "in")
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert len(transcripts(tmp_path / "out")) == 3
    batch, outcomes = await run(client, tmp_path / "out", tmp_path / "in")
    assert (outcomes, batch.skipped) == ([], 3)


async def test_a_file_that_is_rewritten_while_it_is_sent_is_not_recorded(server, client, tmp_path, monkeypatch):
    source = put(tmp_path / "a.wav", b"\1")
    output = tmp_path / "out"
    from asyncscribe.engine.uploads import Uploader

    upload = Uploader.upload

    async def late(self, *arguments, **options):
        # Of the same size, between the hash and the upload.
        put(source, b"\2")
        os.utime(source, ns=(1, 1))
        return await upload(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Uploader, "upload", late)
        _, outcomes = await run(client, output, source)
    assert isinstance(outcomes[0].error, SourceError)
    assert "changed while it was sent" in str(outcomes[0].error)
    assert paid(server) == 0
    await run(client, output, source)
    put(tmp_path / "copy.wav", b"\1")
    await run(client, output, tmp_path / "copy.wav")
    assert paid(server) == 2


async def test_a_file_that_never_keeps_still_is_not_paid_for(server, client, tmp_path, monkeypatch):
    from asyncscribe.batch import finding

    source = put(tmp_path / "a.wav", b"\1")
    moments = iter(range(1, 100))
    stamp_of = finding.stamp_of

    def moving(path):
        os.utime(path, ns=(0, next(moments)))
        return stamp_of(path)

    monkeypatch.setattr(finding, "stamp_of", moving)
    _, outcomes = await run(client, tmp_path / "out", source)
    assert "being written" in str(outcomes[0].error)
    assert paid(server) == 0
    assert server.requests["POST /v2/upload"] == 0


def with_key(server, key):
    return AsyncClient(key, server.base_url, polling=POLLING)


NOT_FOUND = faults.Answer(404, '{"error": "not found"}')

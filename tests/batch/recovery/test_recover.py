import os
import wave

import pytest

from asyncscribe import PermissionDenied
from asyncscribe.batch import Batch
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, SqliteJournal
from asyncscribe.batch.recovery.recover import recover
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.server import faults
from tests.support import recording, transcripts


@pytest.fixture
def lengths(tmp_path):
    """Recordings of 1, 2, 3, 4 and 4 seconds."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, seconds in {"1": 1, "2": 2, "3": 3, "4a": 4, "4b": 4}.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(name.ljust(2).encode() * 15_000 * seconds)
    return folder


async def run(client, output, sources):
    async with Batch(client, output) as batch:
        return batch, [outcome async for outcome in batch.run(sources)]


async def test_a_lost_journal_is_made_anew_and_nothing_is_paid_again(server, client, lengths, tmp_path):
    output = tmp_path / "out"
    sources = [str(lengths), recording("a"), recording("b"), recording("c")]
    await run(client, output, sources[:3])
    for name in [JOURNAL_NAME, "2.wav.json", "4a.wav.json", "4b.wav.json", "b.mp3.json"]:
        (output / name).unlink()
    async with SqliteJournal(output) as journal:
        done = await recover(client, journal, output, sources, TranscriptionConfig())
    assert (done.written, done.adopted, done.new) == (3, 2, 1)
    assert {name: len(ids) for name, ids in done.ambiguous.items()} == {"4a.wav": 2, "4b.wav": 2}
    paid = server.requests["POST /v2/transcript"]
    batch, outcomes = await run(client, output, sources)
    assert {outcome.item.name for outcome in outcomes} == {"2.wav", "b.mp3", "c.mp3"}
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert (batch.skipped, batch.left) == (3, 2)
    assert server.requests["POST /v2/transcript"] == paid + 1
    assert len(transcripts(output)) == 6


async def test_a_file_that_is_newer_than_its_transcript_is_not_taken_for_transcribed(server, client, lengths, tmp_path):
    output = tmp_path / "out"
    await run(client, output, [str(lengths)])
    (output / JOURNAL_NAME).unlink()
    (lengths / "1.wav").write_bytes((lengths / "2.wav").read_bytes())
    written = (output / "1.wav.json").stat().st_mtime
    os.utime(lengths / "1.wav", (written + 1, written + 1))
    async with SqliteJournal(output) as journal:
        done = await recover(client, journal, output, [str(lengths)], TranscriptionConfig())
        known = {entry.recording.name: entry.job async for entry in journal.all()}
    # The copy has the content of the other, whose transcript it will get.
    assert (done.written, done.ambiguous) == (4, {})
    assert known["1.wav"].key == known["2.wav"].key
    assert known["3.wav"].audio_seconds == 3
    (lengths / "1.wav").write_bytes(b"something else")
    (output / JOURNAL_NAME).unlink()
    os.utime(lengths / "1.wav", (written + 1, written + 1))
    async with SqliteJournal(output) as journal:
        done = await recover(client, journal, output, [str(lengths)], TranscriptionConfig())
    assert (done.written, len(done.ambiguous["1.wav"])) == (4, 1)


async def test_an_error_of_the_service_ends_it_as_what_it_is(server, client, lengths, tmp_path):
    output = tmp_path / "out"
    await run(client, output, [str(lengths)])
    for path in output.iterdir():
        path.unlink()
    server.faults.script("GET", "/v2/transcript/", *[faults.Answer(403, "{}")] * 99)
    async with SqliteJournal(output) as journal:
        with pytest.raises(PermissionDenied):
            await recover(client, journal, output, [str(lengths)], TranscriptionConfig())

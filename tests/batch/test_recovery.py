import wave

import pytest

from asyncscribe.batch import Batch
from asyncscribe.batch.recovery import recover
from asyncscribe.batch.sqlite import JOURNAL_NAME, SqliteJournal
from asyncscribe.models.config import TranscriptionConfig
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

"""What `--max-hours` and `--max-cost` let through, and what they hold back."""

import wave

import pytest

from asyncscribe import ConfigurationError, TranscriptionConfig
from asyncscribe.batch import Batch, Survey, runner
from asyncscribe.batch.inputs.probing import length_of
from tests.support import recording


async def run(client, output, *sources, **options):
    async with Batch(client, output, **options) as batch:
        outcomes = [outcome async for outcome in batch.run([str(source) for source in sources])]
    return batch, outcomes


def paid(server):
    return server.requests["POST /v2/transcript"]


def audio(path, seconds, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        # Each of another content.
        file.writeframes(len(path.name).to_bytes(2, "little") * channels * int(8000 * seconds))
    return path


async def test_addresses_are_transcribed_one_at_a_time_and_exceed_it_by_one_at_most(server, client, tmp_path):
    server.set_limit(20)
    sources = [recording(str(number), duration=1800) for number in range(40)]
    batch, outcomes = await run(client, tmp_path / "out", *sources, max_hours=0.7)
    assert batch.exhausted
    assert len(outcomes) == paid(server) == 2
    batch, outcomes = await run(client, tmp_path / "out", *sources)
    assert (batch.skipped, len(outcomes)) == (2, 38)


async def test_what_failed_and_is_not_paid_for_does_not_count(server, client, tmp_path):
    failing = [recording(f"bad {number}", error="Transcoding failed") for number in range(3)]
    good = [recording(str(number), duration=3600) for number in range(3)]
    batch, outcomes = await run(client, tmp_path / "out", *failing, *good, max_hours=2)
    assert batch.exhausted
    assert [outcome.error is None for outcome in outcomes] == [False] * 3 + [True] * 2


async def test_one_that_does_not_fit_keeps_nothing_else_back(server, client, tmp_path):
    folder = tmp_path / "in"
    audio(folder / "1 long.wav", 9)
    for number in range(3):
        audio(folder / f"2 short {number} {'x' * number}.wav", 2)
    output = tmp_path / "out"
    # One is submitted and lost sight of: it is paid, and fetched whatever the allowance.
    await run(client, output, recording("early"))
    (output / "early.mp3.json").unlink()
    batch, outcomes = await run(client, output, folder, recording("early"), max_hours=5 / 3600)
    assert batch.exhausted
    assert sorted(outcome.item.name[:6] for outcome in outcomes) == ["2 shor", "2 shor", "early."]
    assert paid(server) == 3


async def test_each_channel_is_paid_for(server, client, tmp_path):
    source = audio(tmp_path / "in" / "a.wav", 2, channels=2)
    assert (await length_of(source)).channels == 2
    both = TranscriptionConfig(multichannel=True)
    batch, outcomes = await run(client, tmp_path / "out", source, config=both, max_hours=3 / 3600)
    assert (outcomes, batch.exhausted, paid(server)) == ([], True, 0)
    batch, outcomes = await run(client, tmp_path / "out", source, config=both, max_hours=4 / 3600)
    assert (len(outcomes), batch.exhausted) == (1, False)


async def test_without_lengths_there_is_no_allowance(server, client, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "can_probe", lambda: False)
    with pytest.raises(ConfigurationError, match=r"asyncscribe\[probe\]"):
        await run(client, tmp_path / "out", folder, max_hours=1)
    assert paid(server) == 0
    await run(client, tmp_path / "out", recording(), max_hours=1)
    assert paid(server) == 1


@pytest.mark.parametrize("content", [b"fLaC\0\0\0\x22", b"OggS\0\2", b"RIFF", b"ID3\4\0", b"\0" * 64])
async def test_what_is_cut_short_has_no_length_and_stops_nothing(server, client, tmp_path, content):
    broken = tmp_path / "in" / "a.flac"
    broken.parent.mkdir()
    broken.write_bytes(content)
    assert await length_of(broken) is None
    survey = Survey(tmp_path / "out", None, server.base_url)
    assert [forecast.length async for forecast in survey.run([str(broken.parent)])] == [None]
    _, outcomes = await run(client, tmp_path / "out", broken.parent, max_hours=1)
    assert [outcome.error for outcome in outcomes] == [None]


async def test_files_of_unknown_length_come_one_at_a_time(server, client, folder, tmp_path):
    server.set_limit(20)
    # Bytes that no probe knows; the simulated engine says how long they were.
    batch, outcomes = await run(client, tmp_path / "out", folder, max_hours=1e-9)
    assert batch.exhausted
    assert len(outcomes) == paid(server) == 1


async def test_copies_of_unknown_length_are_paid_once_and_all_get_their_files(server, client, tmp_path):
    for number in range(4):
        path = tmp_path / "in" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number // 2]) * 3_200)
    batch, outcomes = await run(client, tmp_path / "out", tmp_path / "in", max_hours=1)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert (paid(server), batch.exhausted) == (2, False)


@pytest.mark.looptime
async def test_what_failed_can_be_tried_again_under_an_allowance(server, client, tmp_path):
    source = recording("bad", server_errors=9)
    _, outcomes = await run(client, tmp_path / "out", source)
    assert outcomes[0].error is not None
    before = paid(server)
    _, outcomes = await run(client, tmp_path / "out", source, max_hours=1, retry_failed=True)
    assert len(outcomes) == 1
    assert paid(server) > before

"""What a run would do, without doing any of it."""

import wave

import pytest

from asyncscribe import JournalError, TranscriptionConfig
from asyncscribe.batch import Batch, Plan, SqliteJournal, Survey
from asyncscribe.errors import JournalLost
from tests.support import recording


async def test_a_dry_run_writes_nothing_and_looks_on_while_a_batch_runs(server, client, folder, tmp_path):
    output = tmp_path / "out"
    survey = Survey(output, None, server.base_url)
    assert [forecast.plan async for forecast in survey.run([str(folder)])] == [Plan.WORK] * 5
    assert not output.exists()
    async with Batch(client, output) as batch:
        outcomes = batch.run([str(folder)])
        await anext(outcomes)
        async with SqliteJournal(output, read_only=True) as journal:
            before = sorted(output.rglob("*"))
            survey = Survey(output, journal, server.base_url)
            assert len([forecast async for forecast in survey.run([str(folder)])]) == 5
            assert sorted(output.rglob("*")) == before
        assert len([outcome async for outcome in outcomes]) == 4


async def run(client, output, *sources):
    async with Batch(client, output) as batch:
        return [outcome async for outcome in batch.run([str(source) for source in sources])]


async def looked(server, output, *sources, **options):
    async with SqliteJournal(output, read_only=True) as journal:
        survey = Survey(output, journal, server.base_url, **options)
        return [forecast async for forecast in survey.run([str(source) for source in sources])]


async def test_what_is_done_is_nothing_to_do_and_another_format_costs_nothing(server, client, folder, tmp_path):
    output = tmp_path / "out"
    await run(client, output, folder)
    assert {forecast.plan for forecast in await looked(server, output, folder)} == {Plan.NOTHING}
    forecasts = await looked(server, output, folder, formats=["srt"])
    assert {(forecast.plan, forecast.paid) for forecast in forecasts} == {(Plan.WORK, True)}


async def test_another_configuration_is_new_work(server, client, folder, tmp_path):
    await run(client, tmp_path / "out", folder)
    forecasts = await looked(server, tmp_path / "out", folder, config=TranscriptionConfig(speaker_labels=True))
    assert {(forecast.plan, forecast.paid) for forecast in forecasts} == {(Plan.WORK, False)}


async def test_failures_are_left_until_they_are_to_be_tried_again(server, client, tmp_path):
    bad = recording("bad", error="Transcoding failed")
    await run(client, tmp_path / "out", bad)
    (forecast,) = await looked(server, tmp_path / "out", bad)
    assert forecast.plan is Plan.LEAVE
    (forecast,) = await looked(server, tmp_path / "out", bad, retry_failed=True)
    assert (forecast.plan, forecast.paid) == (Plan.BEGIN_AGAIN, False)


async def test_it_tells_what_there_is_nothing_of_to_send(server, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.wav").touch()
    survey = Survey(tmp_path / "out", None, server.base_url)
    forecasts = [forecast async for forecast in survey.run([str(tmp_path / "in"), recording("a")])]
    assert [(forecast.item.name, forecast.usable) for forecast in forecasts] == [("empty.wav", False), ("a.mp3", True)]
    assert sum(server.requests.values()) == 0


async def test_new_files_are_measured_and_addresses_are_not(server, tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 2 * 8_000))
    survey = Survey(tmp_path / "out", None, server.base_url)
    sources = [str(tmp_path / "a.wav"), recording("b", duration=7)]
    measured, unknown = [forecast.length async for forecast in survey.run(sources)]
    assert (measured.seconds, measured.channels) == (pytest.approx(1), 2)
    assert unknown is None


async def test_a_transcript_without_a_journal_is_an_error_before_anything_is_forecast(server, client, folder, tmp_path):
    await run(client, tmp_path / "out", folder)
    survey = Survey(tmp_path / "out", None, server.base_url)
    with pytest.raises(JournalLost, match="batch recover"):
        await anext(survey.run([str(folder)]))
    assert issubclass(JournalLost, JournalError)

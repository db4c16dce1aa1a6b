"""What a second run of a batch does, and what it must not do."""

import os
import sqlite3

import pytest

from asyncscribe import BadRequest, ConnectFailed, JournalBusy, JournalCorrupt, JournalError, JournalLost, WaitRefused
from asyncscribe.batch import Batch, Format, Plan, Survey
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, MIGRATIONS, SqliteJournal
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.server import LocalServer, faults
from tests.support import KEY, open_client, recording, transcripts


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


async def run(client, output, *sources, **options):
    async with Batch(client, output, **options) as batch:
        outcomes = [outcome async for outcome in batch.run([str(source) for source in sources])]
    return batch, outcomes


async def survey(output, *sources, journal=None, service="", **options):
    survey = Survey(output, journal, service, **options)
    return [forecast async for forecast in survey.run([str(source) for source in sources])]


def posts(server):
    return server.requests["POST /v2/transcript"], server.requests["POST /v2/upload"]


async def test_what_is_done_is_skipped(server, client, folder, output):
    _, first = await run(client, output, folder, recording("url"))
    before = sum(server.requests.values())
    batch, second = await run(client, output, folder, recording("url"))
    assert (len(first), second, batch.skipped) == (6, [], 6)
    assert sum(server.requests.values()) == before


async def test_a_lost_output_is_fetched_again_and_not_paid_again(server, client, folder, output):
    await run(client, output, folder)
    (output / "a.wav.json").unlink()
    batch, outcomes = await run(client, output, folder)
    assert [outcome.item.name for outcome in outcomes] == ["a.wav"]
    assert outcomes[0].error is None
    assert batch.skipped == 4
    assert posts(server) == (5, 5)
    assert len(transcripts(output)) == 5


async def test_another_format_needs_no_other_job(server, client, folder, output):
    await run(client, output, folder)
    await run(client, output, folder, formats=[Format.JSON, Format.SRT])
    assert posts(server) == (5, 5)
    assert len(transcripts(output)) == 10


async def test_a_changed_file_and_a_changed_configuration_are_new_jobs(server, client, folder, output):
    await run(client, output, folder)
    path = folder / "a.wav"
    path.write_bytes(b"\x07" * 6_400)
    await run(client, output, folder)
    assert posts(server) == (6, 6)
    await run(client, output, folder, config=TranscriptionConfig(punctuate=False))
    assert posts(server)[0] == 11
    # A file that was only touched is read again, and recognised.
    os.utime(path)
    batch, outcomes = await run(client, output, folder, config=TranscriptionConfig(punctuate=False))
    assert (outcomes, batch.skipped) == ([], 5)


async def test_the_same_content_is_paid_once_and_each_gets_its_output(server, client, folder, output):
    for number in range(3):
        (folder / f"copy {number}.wav").write_bytes((folder / "a.wav").read_bytes())
    _, outcomes = await run(client, output, folder)
    assert [outcome.error for outcome in outcomes] == [None] * 8
    assert len(transcripts(output)) == 8
    assert posts(server) == (5, 5)
    (folder / "late copy.wav").write_bytes((folder / "a.wav").read_bytes())
    await run(client, output, folder)
    assert len(transcripts(output)) == 9
    assert posts(server) == (5, 5)


async def test_failures_are_left_alone_until_they_are_to_be_tried_again(server, client, output):
    bad = recording("bad", error="Transcoding failed")
    await run(client, output, bad, recording("good"))
    batch, outcomes = await run(client, output, bad, recording("good"))
    assert (outcomes, batch.left, batch.skipped) == ([], 1, 1)
    batch, outcomes = await run(client, output, bad, recording("good"), retry_failed=True)
    assert len(outcomes) == 1
    assert posts(server)[0] == 3


async def test_a_refused_submission_is_a_failure_and_an_unreadable_file_is_not(server, client, folder, output):
    server.faults.script("POST", "/v2/transcript", faults.Answer(400, '{"error": "no such field"}'))
    _, outcomes = await run(client, output, recording("refused"), folder / "missing.wav")
    assert {type(outcome.error) for outcome in outcomes} >= {BadRequest}
    batch, outcomes = await run(client, output, recording("refused"), folder / "missing.wav")
    assert batch.left == 1
    assert [outcome.item.name for outcome in outcomes] == ["missing.wav"]


async def test_a_submitted_job_is_waited_for_even_if_its_file_is_gone(server, client, folder, output):
    path = folder / "a.wav"
    async with SqliteJournal(output) as journal:
        async with Batch(client, output, journal=journal) as batch:
            outcomes = batch.run([str(path)])
            await anext(outcomes)
            await outcomes.aclose()
    connection = sqlite3.connect(output / JOURNAL_NAME)
    connection.execute("UPDATE jobs SET step = 'submitted'")
    connection.execute("UPDATE recordings SET files = '{}'")
    connection.commit()
    connection.close()
    (output / "a.wav.json").unlink()
    path.unlink()
    _, outcomes = await run(client, output, path)
    assert [outcome.error for outcome in outcomes] == [None]
    assert posts(server) == (1, 1)


@pytest.mark.looptime
async def test_a_transcript_that_is_gone_is_told_and_paid_for_only_on_request(server, client, folder, output):
    _, outcomes = await run(client, output, folder / "a.wav")
    for path in output.glob("*.json"):
        path.unlink()
    connection = sqlite3.connect(output / JOURNAL_NAME)
    connection.execute("UPDATE jobs SET ids = '[\"00000000-0000-0000-0000-000000000000\"]'")
    connection.commit()
    connection.close()
    _, outcomes = await run(client, output, folder / "a.wav")
    assert isinstance(outcomes[0].error, WaitRefused)
    batch, outcomes = await run(client, output, folder / "a.wav")
    assert (batch.left, outcomes) == (1, [])
    _, outcomes = await run(client, output, folder / "a.wav", retry_failed=True)
    assert [outcome.error for outcome in outcomes] == [None]
    assert posts(server)[0] == 2


async def test_two_batches_on_one_folder(server, client, folder, output):
    async with Batch(client, output):
        with pytest.raises(JournalBusy, match=f"process {os.getpid()} on .* is at work"):
            async with Batch(client, output):
                pass
    await run(client, output, folder)


async def test_a_damaged_journal_is_told_with_a_way_on(server, client, folder, output):
    await run(client, output, folder)
    (output / JOURNAL_NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(JournalCorrupt, match="batch recover"):
        await run(client, output, folder)
    assert posts(server) == (5, 5)


async def test_a_lost_journal_is_noticed_before_anything_is_paid_again(server, client, folder, output):
    await run(client, output, folder)
    (output / JOURNAL_NAME).unlink()
    before = sum(posts(server))
    for _ in range(2):
        with pytest.raises(JournalLost, match="batch recover") as told:
            await run(client, output, folder)
    assert told.value.transcript.is_file()
    # Whatever formats are asked for.
    with pytest.raises(JournalLost):
        await run(client, output, folder, formats=[Format.SRT, Format.JSON])
    with pytest.raises(JournalLost):
        await survey(output, folder, service=server.base_url)
    assert sum(posts(server)) == before


async def test_why_a_recording_was_not_sent_is_kept_until_it_is(server, client, folder, output):
    async def problems():
        async with SqliteJournal(output, read_only=True) as journal:
            return {entry.recording.name: entry.problem async for entry in journal.all() if entry.problem}

    (folder / "a.wav").write_bytes(b"")
    server.faults.script("POST", "/v2/transcript", *[faults.Answer(403, '{"error": "no"}')] * 4)
    await run(client, output, folder)
    kept = await problems()
    assert len(kept) == 5
    assert "is empty" in kept["a.wav"]
    assert "403" in kept["a.mp3"]
    (folder / "a.wav").write_bytes(b"\x09" * 3200)
    _, outcomes = await run(client, output, folder)
    assert [outcome.error for outcome in outcomes] == [None] * 5
    assert await problems() == {}


async def test_a_service_that_can_not_be_reached_is_not_tried_for_every_recording(nothing_left, output):
    async with LocalServer(api_key=KEY) as gone:
        client = open_client(gone, concurrency=2)
    async with client:
        batch, outcomes = await run(client, output, *[recording(str(number)) for number in range(200)])
    assert batch.unreachable
    assert 10 <= len(outcomes) < 100
    assert {type(outcome.error) for outcome in outcomes} == {ConnectFailed}


async def test_a_file_is_known_by_whatever_way_it_is_named(server, client, folder, output, monkeypatch):
    await run(client, output, folder)
    monkeypatch.chdir(folder)
    async with SqliteJournal(output, read_only=True) as journal:
        forecasts = await survey(output, ".", journal=journal, service=server.base_url)
    assert [forecast.plan for forecast in forecasts] == [Plan.NOTHING] * 5


async def test_a_later_version_is_not_touched(client, output):
    async with SqliteJournal(output):
        pass
    connection = sqlite3.connect(output / JOURNAL_NAME)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(JournalError, match="upgrade"):
        await run(client, output, recording())


async def test_a_journal_that_can_not_be_written_stops_before_anything_is_paid(server, client, folder, output):
    async with SqliteJournal(output) as journal:
        journal._connection.execute("PRAGMA query_only=1")
        with pytest.raises(JournalError, match="readonly"):
            async with Batch(client, output, journal=journal):
                pass
    async with SqliteJournal(output) as journal, Batch(client, output, journal=journal) as batch:
        journal._connection.execute("PRAGMA query_only=1")
        with pytest.raises(JournalError, match="readonly"):
            [outcome async for outcome in batch.run([str(folder)])]
    assert posts(server)[0] == 0


async def test_a_run_elsewhere_neither_wipes_nor_spoils_anything(server, client, folder, output):
    await run(client, output, folder)
    async with LocalServer(limit=2, api_key=KEY) as other, open_client(other) as elsewhere:
        await run(elsewhere, output, folder)
        assert posts(other) == (5, 5)
    async with LocalServer(limit=2, api_key=KEY) as embedded, open_client(embedded) as local:
        await run(local, output, folder, ephemeral=True)
    (output / "a.wav.json").unlink()
    _, outcomes = await run(client, output, folder)
    # What the others wrote is not this one's, and is fetched; nothing is paid again.
    assert len(outcomes) == 5
    assert posts(server) == (5, 5)
    batch, outcomes = await run(client, output, folder)
    assert (batch.skipped, outcomes) == (5, [])


async def test_what_an_embedded_server_had_is_begun_again_at_the_next(nothing_left, folder, output):
    for _ in range(2):
        async with LocalServer(limit=2, api_key=KEY) as server, open_client(server) as client:
            await run(client, output, folder, ephemeral=True)
            connection = sqlite3.connect(output / JOURNAL_NAME)
            connection.execute("UPDATE jobs SET step = 'submitted'")
            connection.execute("UPDATE recordings SET files = '{}'")
            connection.commit()
            connection.close()
            assert posts(server) == (5, 5)


async def test_no_key_in_the_journal(server, client, folder, output):
    await run(client, output, folder)
    content = b"".join(path.read_bytes() for path in output.glob(".asyncscribe*"))
    assert b"sha256:" in content
    assert KEY.encode() not in content


async def test_names_that_are_no_text_are_kept_apart(server, client, tmp_path, output):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate([b"caf\xe9.wav", b"caf\xe8.wav"]):
        (folder / os.fsdecode(name)).write_bytes(bytes([number]) * 3_200)
    _, outcomes = await run(client, output, folder)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert len(transcripts(output)) == 2
    batch, outcomes = await run(client, output, folder)
    assert (batch.skipped, outcomes) == (2, [])

"""What is said when a batch has ended, and its exit code: of real batches at the local server."""

import json

import pytest

from asyncscribe.batch import Batch, BatchItem, BatchOutcome
from asyncscribe.cli.batch.conclusion import MOST_FAILURES, Failures, conclude
from asyncscribe.cli.display.rendering import Ndjson, Quiet
from asyncscribe.cli.exits import Exit, UserError
from asyncscribe.errors import AccountError, JournalBusy, SourceError
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import recording


def test_many_failures_are_told_in_part(served, tmp_path):  # noqa: F811
    sources = [recording(str(number), error="Transcoding failed") for number in range(60)]
    result = run("batch", *sources, "--output", tmp_path / "out", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.count("Transcoding failed") == 50
    assert "and 10 more: asyncscribe batch export" in result.stderr


async def concluded(client, output, *sources, display=None, **options):
    display, failures = display or Quiet(), Failures()
    async with Batch(client, output, **options) as batch:
        async for outcome in batch.run([str(source) for source in sources]):
            display.finished(outcome)
            if outcome.error is not None:
                failures.add(outcome)
    return conclude(display, batch, failures, str(output))


def failed(number, error):
    return BatchOutcome(BatchItem(f"{number}.wav", f"{number}.wav"), None, error, (), 1, 1.5)


async def test_all_done_is_done_also_the_second_time(server, client, folder, tmp_path, capsys):
    assert await concluded(client, tmp_path / "out", folder) is Exit.DONE
    assert capsys.readouterr().err == f"5 done, 0 failed; transcripts are in {tmp_path / 'out'}\n"
    assert await concluded(client, tmp_path / "out", folder) is Exit.DONE
    assert "0 done, 0 failed, 5 were done before" in capsys.readouterr().err


async def test_a_failure_is_told_with_its_reason_and_again_when_it_is_left_alone(server, client, tmp_path, capsys):
    bad = recording("bad", error="Transcoding failed")
    assert await concluded(client, tmp_path / "out", bad) is Exit.FAILED
    assert "  bad.mp3: Transcoding failed" in capsys.readouterr().err
    assert await concluded(client, tmp_path / "out", bad) is Exit.FAILED
    assert "1 failed in an earlier run and were left alone" in capsys.readouterr().err


async def test_an_allowance_that_is_used_up_counts_for_more_than_failures(server, client, tmp_path, capsys):
    sources = [recording("bad", error="Transcoding failed"), *(recording(str(n), duration=3600) for n in range(3))]
    assert await concluded(client, tmp_path / "out", *sources, max_hours=1) is Exit.STOPPED
    assert "stopped at the allowance" in capsys.readouterr().err


async def test_where_there_is_nothing_to_transcribe_that_is_the_users_mistake(server, client, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="no audio or video") as mistake:
        await concluded(client, tmp_path / "out", tmp_path / "in")
    assert mistake.value.code is Exit.FAILED


async def test_programs_get_one_object_and_no_words(server, client, folder, tmp_path, capsys):
    assert await concluded(client, tmp_path / "out", folder, display=Ndjson()) is Exit.DONE
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1]) == {
        "type": "summary",
        "done": 5,
        "failed": 0,
        "skipped": 0,
        "left": 0,
        "stopped": False,
    }
    assert told.err == ""


@pytest.mark.parametrize("error", [AccountError("POST /", 400, "balance is negative"), JournalBusy("j", "another")])
async def test_what_every_recording_would_meet_is_raised_after_all_is_told(
    server, client, folder, tmp_path, capsys, error
):
    failures = Failures()
    for number in range(MOST_FAILURES + 3):
        failures.add(failed(number, error if not number else SourceError("x.wav", "is empty")))
    async with Batch(client, tmp_path / "out") as batch:
        with pytest.raises(type(error)):
            conclude(Quiet(), batch, failures, "out")
    told = capsys.readouterr().err
    assert told.count("is empty") == MOST_FAILURES - 1
    assert "and 3 more: asyncscribe batch export out" in told

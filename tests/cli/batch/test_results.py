import csv
import io
import json
import sqlite3
from collections import Counter

import pytest

from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.batch.journal.totals import Totals
from asyncscribe.cli.batch import results
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import recording, transcripts


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def test_the_same_command_goes_on(served, folder, output):  # noqa: F811
    assert run("batch", folder, "--output", output).exit_code == 0
    again = run("batch", folder, recording("new"), "--output", output)
    assert again.exit_code == 0
    assert "1 done, 0 failed, 5 were done before" in again.stderr
    assert served.requests["POST /v2/transcript"] == 6


def test_status_tells_counts_hours_and_reasons(served, folder, output):  # noqa: F811
    bad = recording("bad", error="Transcoding failed")
    assert run("batch", folder, bad, recording(duration=3600), "--output", output).exit_code == 1
    told = json.loads(run("batch", "status", output, "--json").stdout)
    assert told["recordings"] == {"completed": 6, "failed": 1}
    assert told["audio_hours"] == pytest.approx(1, abs=0.01)
    assert "Transcoding failed" in told["reasons"]["bad.mp3"]
    table = run("batch", "status", output).stdout
    assert "completed" in table
    assert "bad.mp3: " in table
    left = run("batch", folder, bad, "--output", output)
    assert (left.exit_code, "1 failed in an earlier run" in left.stderr) == (1, True)
    retried = run("batch", folder, bad, "--output", output, "--retry-failed")
    assert "0 done, 1 failed" in retried.stderr


def test_what_was_not_begun_is_pending(capsys):
    totals = Totals(Counter({"completed": 2}), pending=3)
    results._json(None, totals)
    told = json.loads(capsys.readouterr().out)
    assert (told["recordings"], told["pending"]) == ({"completed": 2}, 3)
    results._table(None, totals)
    assert "pending" in capsys.readouterr().out
    assert results._totals(totals)["pending"] == "3"
    assert "pending" not in results._totals(Totals())


def test_status_of_a_folder_without_a_batch(tmp_path):
    result = run("batch", "status", tmp_path)
    assert result.exit_code == 1
    assert "there is no journal" in result.stderr


def test_all_results_as_one_table(served, folder, output, tmp_path):  # noqa: F811
    run("batch", recording("a"), recording("bad", error="Transcoding failed"), "--output", output)
    rows = list(csv.DictReader(io.StringIO(run("batch", "export", output).stdout)))
    assert len(rows) == 2
    assert {row["text"] for row in rows if row["status"] == "completed"} == {"this is a simulated transcript"}
    lines = run("batch", "export", output, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == [row["name"] for row in rows]
    file = tmp_path / "all.csv"
    assert run("batch", "export", output, "--output", file).exit_code == 0
    assert list(csv.DictReader(io.StringIO(file.read_text()))) == rows
    assert run("batch", "export", output, "--format", "parquet").exit_code == 2


def test_a_report_of_all(served, folder, output, tmp_path):  # noqa: F811
    run("batch", folder, recording("bad", error="Transcoding failed"), "--output", output)
    assert "6 recordings are in" in run("batch", "report", output).stderr
    page = (output / "report.html").read_text()
    assert "Transcoding failed" in page
    # The recording is played from where it is.
    assert '"audio":["../in/with%20space.wav","file:///' in page
    elsewhere = tmp_path / "none" / "report.html"
    assert run("batch", "report", output, "--output", elsewhere).exit_code == 1
    assert not elsewhere.parent.exists()


def test_a_table_is_what_its_file_is_named(served, output, tmp_path):  # noqa: F811
    run("batch", recording("a"), "--output", output)
    assert run("batch", "export", output, "--output", tmp_path / "all.jsonl").exit_code == 0
    assert json.loads((tmp_path / "all.jsonl").read_text())["name"] == "a.mp3"


def test_a_misspelt_folder_is_wrong_usage_and_leaves_nothing(served, output, tmp_path):  # noqa: F811
    for sources in ([tmp_path / "nowhere"], [tmp_path / "nowhere", "neither"]):
        result = run("batch", *sources, "--output", output)
        assert (result.exit_code, output.exists()) == (2, False)
        assert "there is no" in result.stderr


def test_a_lost_journal_is_an_error_with_a_way_on(served, folder, output):  # noqa: F811
    assert run("batch", folder, "--output", output).exit_code == 0
    (output / JOURNAL_NAME).unlink()
    lost = run("batch", folder, "--output", output)
    assert lost.exit_code == 1
    assert "asyncscribe batch recover" in lost.stderr
    # It made a journal, which knows nothing yet.
    assert run("batch", "recover", output, folder).exit_code == 0
    again = run("batch", folder, "--output", output)
    assert (again.exit_code, "5 were done before" in again.stderr) == (0, True)
    assert served.requests["POST /v2/transcript"] == 5


def test_parquet(served, folder, output, tmp_path):  # noqa: F811
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    run("batch", folder, "--output", output)
    file = tmp_path / "all.parquet"
    assert run("batch", "export", output, "--format", "parquet", "--output", file).exit_code == 0
    table = parquet.read_table(file).to_pylist()
    assert len(table) == 5
    assert {row["submissions"] for row in table} == {1}


def test_an_allowance_has_an_exit_code_of_its_own(served, output):  # noqa: F811
    sources = [recording(str(number), duration=1800) for number in range(40)]
    result = run("batch", *sources, "--output", output, "--max-cost", "0.1")
    assert result.exit_code == 3
    assert "stopped at the allowance" in result.stderr
    assert served.requests["POST /v2/transcript"] < 30
    assert run("batch", *sources, "--output", output).exit_code == 0
    assert served.requests["POST /v2/transcript"] == 40


def test_a_damaged_journal_is_told_and_recovered(served, folder, output):  # noqa: F811
    run("batch", folder, "--output", output)
    journal = output / JOURNAL_NAME
    journal.write_bytes(b"damaged" * 1000)
    result = run("batch", folder, "--output", output)
    assert result.exit_code == 1
    assert "batch recover" in result.stderr
    assert run("batch", "recover", output, folder).exit_code == 1
    journal.unlink()
    recovered = run("batch", "recover", output, folder)
    assert (recovered.exit_code, "5 are written" in recovered.stderr) == (0, True)
    assert "5 were done before" in run("batch", folder, "--output", output).stderr
    assert served.requests["POST /v2/transcript"] == 5


def test_a_journal_can_be_read_with_plain_sqlite(served, folder, output):  # noqa: F811
    run("batch", folder, "--output", output)
    with sqlite3.connect(output / JOURNAL_NAME) as connection:
        rows = connection.execute("SELECT name, step FROM recordings JOIN jobs ON key = job").fetchall()
    connection.close()
    assert sorted(name for name, _ in rows) == [name.removesuffix(".json") for name in transcripts(output)]
    assert {step for _, step in rows} == {"completed"}

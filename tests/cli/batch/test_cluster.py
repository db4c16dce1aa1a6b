"""`--journal`: the same commands on a database that many machines share."""

import json

import pytest

from tests.batch.conftest import dsn, empty, postgres, prepared  # noqa: F401 - fixtures
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import transcripts


@pytest.fixture
def shared(dsn, monkeypatch):  # noqa: F811
    monkeypatch.setenv("ASYNCSCRIBE_JOURNAL", dsn)
    return dsn


def test_a_batch_its_status_its_table_and_its_report(served, shared, folder, tmp_path):  # noqa: F811
    output = tmp_path / "out"
    result = run("batch", folder, "--output", output, "--worker", "anna", "--shared-files", "--quiet")
    assert result.exit_code == 0, result.output
    assert len(transcripts(output)) == 5
    assert not list(output.glob(".asyncscribe*"))
    again = run("batch", folder, "--output", output, "--shared-files")
    assert "5 were done before" in again.stderr
    assert len(served.records) == 5
    status = json.loads(run("batch", "status", "--json").stdout)
    assert status["recordings"] == {"completed": 5}
    assert status["submissions"] == 5
    assert "shared batch" in run("batch", "status").stdout
    table = run("batch", "export", output, "--format", "jsonl").stdout.splitlines()
    assert sum("simulated" in json.loads(line)["text"] for line in table if json.loads(line)["text"]) == len(
        [line for line in table if json.loads(line)["text"]]
    )
    assert len(table) == 5
    assert run("batch", "report", output).exit_code == 0
    assert (output / "report.html").is_file()
    assert run("batch", "workers", "--json").stdout == ""


def test_a_dry_run_looks_at_the_database_and_joins_nothing(served, shared, folder, tmp_path):  # noqa: F811
    run("batch", folder, "--output", tmp_path / "out", "--shared-files", "--quiet")
    (folder / "new.wav").write_bytes(b"\1" * 3_200)
    result = run("batch", folder, "--output", tmp_path / "out", "--dry-run", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["new"] >= 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output", "s3://bucket/text"], "can't hold the journal"),
        (["--output", "out", "--journal", "postgresql://x", "--local"], "asyncscribe serve"),
        (["--output", "out", "--journal", "postgresql://127.0.0.1:1/none"], "no connection could be made"),
        (["--output", "out", "--journal", "nonsense://"], "can't be read"),
    ],
)
def test_mistakes_are_told_without_a_traceback(served, folder, arguments, problem):  # noqa: F811
    result = run("batch", folder, *arguments)
    assert result.exit_code in {1, 2}
    assert problem in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_no_message_shows_the_password(served, folder, tmp_path):  # noqa: F811
    address = "postgresql://somebody:sekret@127.0.0.1:1/none"
    result = run("batch", folder, "--output", tmp_path / "out", "--journal", address)
    assert result.exit_code == 1
    assert "sekret" not in result.output


def test_a_journal_that_is_older_than_it_was_is_rebuilt_and_nothing_is_paid_again(
    served,  # noqa: F811
    postgres,  # noqa: F811
    prepared,  # noqa: F811
    folder,
    tmp_path,
    monkeypatch,
):
    """The database was lost; another one, which is empty, learns from the output folder and the account."""
    output = tmp_path / "out"
    options = ["--output", output, "--shared-files", "--quiet"]
    assert run("batch", folder, *options, "--journal", postgres.database(prepared)).exit_code == 0
    lost = postgres.database(prepared)
    result = run("batch", "recover", output, folder, "--journal", lost, "--shared-files")
    assert result.exit_code == 0, result.output
    assert "5 are written" in result.output
    assert run("batch", folder, *options, "--journal", lost).exit_code == 0
    assert len(served.records) == 5

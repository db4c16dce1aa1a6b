"""`asyncscribe batch --dry-run`."""

import json

import pytest

from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import recording


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def test_a_dry_run_sends_nothing(served, output):  # noqa: F811
    from tests.support import EXAMPLES

    result = run("batch", EXAMPLES / "audio", recording(), "--output", output, "--dry-run")
    assert result.exit_code == 0
    assert "8 would be submitted" in result.stderr
    assert "office.wav (3.9 s)" in result.stdout
    assert not served.requests
    run("batch", recording(), "--output", output)
    told = json.loads(run("batch", EXAMPLES / "audio", recording(), "-O", output, "--dry-run", "--json").stdout)
    assert (told["new"], told["done"]) == (7, 1)
    assert told["audio_hours"] == pytest.approx(21.3 / 3600, abs=0.001)


def test_a_dry_run_needs_no_key_and_tells_what_can_not_be_sent(folder, output):
    (folder / "empty.wav").touch()
    result = run("batch", folder, "missing.wav", "--output", output, "--dry-run")
    assert result.exit_code == 0
    assert "5 would be submitted" in result.stderr
    assert "2 can't be sent" in result.stderr
    assert "empty.wav (missing, empty or no file)" in result.stdout
    told = json.loads(run("batch", folder, "--output", output, "--dry-run", "--json").stdout)
    assert (told["new"], told["unusable"]) == (5, 1)

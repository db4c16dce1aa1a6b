import inspect
import json
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from asyncscribe import TranscriptionConfig
from asyncscribe.batch import Format, SavedState
from asyncscribe.batch.cluster.ray import Ended
from asyncscribe.cli.batch import launching
from asyncscribe.cli.batch.journals import Membership
from asyncscribe.cli.batch.launching import Job
from asyncscribe.cli.batch.run import batch
from asyncscribe.cli.exits import Exit
from asyncscribe.cli.options import Features, fields_of
from tests.cli.test_commands import run
from tests.support import KEY

DSN = "postgresql://user:pass-4711@database.test/journal"
SHARED = Membership(DSN, "mine", shared_files=True, run="night", lease=12.0)
#: Options of `batch` that workers are not given as options: by a file or the environment, or the driver has done it.
NOT_PASSED = set(
    "sources from_file speakers language models keyterms redact multichannel config options base_url journal worker "
    "local max_cost dry_run ray workers as_json print_text quiet".split()
)


def job(**changes):
    values = {
        "sources": ["in", "s3://bucket/calls"],
        "output": "out",
        "formats": [Format.JSON, Format.SRT],
        "config": TranscriptionConfig(speaker_labels=True, extra={"odd": {"a": 1}}),
        "membership": SHARED,
        "base_url": "eu",
        "concurrency": 7,
        "hours": 1.5,
        "retry_failed": True,
    }
    return Job(**(values | changes))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--workers", "3"], "how many --ray starts"),
        (["--ray", "auto"], "--journal postgresql://"),
        (["--ray", "auto", "--journal", DSN, "--print"], "contradict one another"),
        (["--ray", "auto", "--journal", DSN, "--workers", "0"], "--workers"),
    ],
)
def test_options_that_make_no_sense_are_told(arguments, told):
    result = run("batch", "in", "--output", "out", *arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert told in result.stderr


def test_without_ray_it_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setattr(launching, "find_spec", lambda name: None)
    result = run("batch", "in", "--output", "out", "--ray", "auto", "--journal", DSN)
    assert result.exit_code == 2
    assert "asyncscribe[ray]" in result.stderr


def test_workers_are_told_all_that_was_asked_for(monkeypatch):
    order = job().order()
    assert list(order.arguments) == [
        *("--output", str(Path.cwd() / "out"), "--concurrency", "7", "--max-hours", "1.5", "--run", "night"),
        *("--lease", "12.0", "--format", "json", "--format", "srt", "--retry-failed", "--shared-files"),
    ]
    passed = {text.removeprefix("--").replace("-", "_") for text in order.arguments if text.startswith("--")}
    names = {"format": "formats", "run": "run_name"}
    passed = {names.get(name, name) for name in passed}
    # Whoever adds an option has to say how workers get it.
    assert set(inspect.signature(batch).parameters) == passed | NOT_PASSED
    assert not passed & NOT_PASSED
    assert {field.name for field in fields(SHARED)} == {"dsn", "name", "shared_files", "run", "lease"}


def test_what_is_secret_is_in_the_environment_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    order = job().order()
    assert order.environment == {
        "ASYNCSCRIBE_JOURNAL": DSN,
        "ASSEMBLYAI_BASE_URL": "https://api.eu.assemblyai.com",
        "ASSEMBLYAI_API_KEY": KEY,
    }
    assert not any(secret in text for secret in (KEY, "pass-4711") for text in [*order.arguments, order.config])
    assert not any(secret in repr(order) for secret in (KEY, "pass-4711", "speaker_labels"))


def test_without_a_key_here_each_worker_looks_for_its_own():
    assert "ASSEMBLYAI_API_KEY" not in job().order().environment


def test_a_configuration_is_the_same_for_workers(tmp_path):
    config = job().config
    path = tmp_path / "config.json"
    path.write_text(job().order().config)
    assert Features(config=path).configuration() == config
    assert json.loads(path.read_text()) == fields_of(config)


def test_paths_lead_to_the_same_places_from_elsewhere():
    assert launching._absolute("in") == str(Path.cwd() / "in")
    assert launching._absolute("s3://bucket/calls") == "s3://bucket/calls"
    assert launching._absolute("https://host.test/a.mp3") == "https://host.test/a.mp3"


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 1], 1), ([2, 2], 2), ([0, 2], 1), ([0, 3], 3), ([1, 3, 2], 3)],
)
def test_the_exit_code_is_that_of_all(codes, code, capsys):
    ended = [Ended(one, f"host-{one}", f"error: {one}\n") for one in codes]
    counts = Counter({SavedState.COMPLETED: 3, SavedState.FAILED: 1, None: 2})
    assert launching._conclude(ended, counts, "out", as_json=True) is Exit(code)
    out, errors = capsys.readouterr()
    assert json.loads(out) == {"type": "summary", "done": 3, "failed": 1, "left": 2, "stopped": code == 3}
    assert ("error: 2" in errors) == (2 in codes)


def test_counts_are_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(launching, "LINES", 0.0)
    with launching._Progress(as_json=False, quiet=False) as progress:
        progress.show(Counter({SavedState.COMPLETED: 3, None: 2}), 1, 4)
        progress.show(Counter({SavedState.COMPLETED: 3, None: 2}), 1, 4)
    assert capsys.readouterr().err == "3 of 5 done, 0 failed, 0 at the service; 1 of 4 workers\n"
    with launching._Progress(as_json=False, quiet=True) as progress:
        progress.show(Counter({None: 2}), 1, 4)
    assert capsys.readouterr().err == ""
    with launching._Progress(as_json=True, quiet=False) as progress:
        progress.show(Counter({None: 2, SavedState.FOUND: 1}), 1, 4)
    assert json.loads(capsys.readouterr().out) == {"type": "progress", "recordings": {"pending": 3}, "workers": 1}

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import KEY, recording


def post(served, url, **fields) -> str:  # noqa: F811
    body = json.dumps({"audio_url": url, **fields}).encode()
    request = urllib.request.Request(f"{served.base_url}/v2/transcript", body, {"Authorization": KEY})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["id"]


@pytest.fixture
def done(served):  # noqa: F811
    """Two completed transcripts and a failed one, oldest first."""
    rules = {"words": 40, "duration": 16}
    ids = [
        post(served, recording("first", **rules), speaker_labels=True),
        post(served, recording("second", **rules)),
        post(served, recording("bad", error="Transcoding failed")),
    ]
    while any(record.status in {"queued", "processing"} for record in served.records):
        time.sleep(0.005)
    return ids


def test_the_list_is_a_table_newest_first(done):
    result = run("list")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == done[::-1]
    assert "error" in lines[0]
    assert "Transcoding failed" in lines[0]
    assert "completed" in lines[1]


def test_the_list_is_json_for_programs(done):
    items = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert {item["type"] for item in items} == {"transcript"}
    assert [item["id"] for item in items] == done[::-1]
    assert items[0]["error"] == "Transcoding failed"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--status", "error"], 1),
        (["-n", "2"], 2),
        (["--on", "2001-01-01"], 0),
        (["--status", "completed", "-n", "1"], 1),
    ],
)
def test_the_list_can_be_narrowed(done, arguments, count):
    result = run("list", *arguments)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == count
    assert ("no such transcripts" in result.stderr) == (count == 0)


@pytest.mark.parametrize(
    "arguments", [["list", "--status", "idle"], ["list", "--on", "today"], ["get"], ["search", "x"]]
)
def test_wrong_usage_exits_with_2(served, arguments):  # noqa: F811
    assert run(*arguments).exit_code == 2


def test_get_prints_the_text_or_the_document(done):
    assert run("get", done[1]).stdout.startswith("this is a simulated transcript")
    assert run("get", done[0]).stdout.startswith("Speaker A: this is")
    assert json.loads(run("get", done[1], "--json").stdout)["id"] == done[1]


def test_get_tells_of_failures(done):
    result = run("get", done[2])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "state error: Transcoding failed" in result.stderr
    assert run("get", done[2], "--wait").exit_code == 1
    assert run("get", "nobody").exit_code == 1


def test_get_picks_up_a_job_that_was_left(served):  # noqa: F811
    identifier = post(served, recording(seconds=0.5))
    assert "state processing" in run("get", identifier).stderr
    assert run("get", identifier, "--wait").stdout.startswith("this is")


def test_delete_asks_unless_told_not_to(served, done):  # noqa: F811
    kept = run("delete", done[0], input="n\n")
    assert kept.exit_code == 1
    assert "for good?" in kept.stderr
    assert served.records[0].document["words"]
    assert run("delete", done[0], input="y\n").exit_code == 0
    result = run("delete", done[1], "nobody", "--yes")
    assert result.exit_code == 1
    assert f"deleted {done[1]}" in result.stderr
    assert "nobody" in result.stderr
    assert served.records[0].document["words"] is served.records[1].document["words"] is None


def test_search_tells_places(done):
    result = run("search", done[1], "simulated transcript", "never said")
    assert result.stdout.startswith("simulated transcript: 3 times, at ")
    match = json.loads(run("search", done[1], "transcript", "--json").stdout)
    assert (match["type"], match["count"]) == ("match", 3)
    assert run("search", done[1], "never said").exit_code == 1


@pytest.mark.parametrize(
    ("form", "begin"),
    [("text", "this is"), ("json", "{"), ("srt", "1\n00:"), ("vtt", "WEBVTT"), ("sentences", "{"), ("paragraphs", "{")],
)
def test_export_in_every_format(done, tmp_path, form, begin):
    result = run("export", done[1], "--format", form)
    assert result.exit_code == 0
    assert result.stdout.startswith(begin)
    path = tmp_path / "out" / form
    assert run("export", done[1], "--format", form, "--output", path).stdout == ""
    assert path.read_text() == result.stdout


@pytest.mark.parametrize("form", ["sentences", "paragraphs"])
def test_passages_have_the_names_that_the_service_gives_them(done, form):
    for line in run("export", done[1], "--format", form).stdout.splitlines():
        passage = json.loads(line)
        assert passage["words"][0]["text"] in passage["text"]
        assert "raw_words" not in passage


def test_export_takes_a_width_and_refuses_what_is_not_completed(done, tmp_path):
    narrow = run("export", done[1], "-f", "srt", "--chars-per-caption", "20").stdout
    assert max(len(line) for line in narrow.splitlines() if "-->" not in line) <= 20
    assert run("export", done[2], "-f", "json").exit_code == 1
    assert run("export", done[2], "-f", "srt").exit_code == 1
    (tmp_path / "file").touch()
    assert "error: --output" in run("export", done[1], "--output", tmp_path / "file" / "x").stderr


def test_the_shell_can_complete_commands():
    environment = {"_ASYNCSCRIBE_COMPLETE": "complete_bash", "COMP_WORDS": "asyncscribe tr", "COMP_CWORD": "1"}
    script = Path(sys.executable).parent / "asyncscribe"
    result = subprocess.run([script], capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert "transcribe" in result.stdout

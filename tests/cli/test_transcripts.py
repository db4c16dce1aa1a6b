import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from asyncscribe.server import faults
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


def test_export_takes_a_width_and_refuses_what_is_not_completed(done, tmp_path):
    narrow = run("export", done[1], "-f", "srt", "--chars-per-caption", "20").stdout
    assert max(len(line) for line in narrow.splitlines() if "-->" not in line) <= 20
    assert run("export", done[2], "-f", "json").exit_code == 1
    assert run("export", done[2], "-f", "srt").exit_code == 1
    (tmp_path / "file").touch()
    assert "error: --output" in run("export", done[1], "--output", tmp_path / "file" / "x").stderr


def test_doctor_finds_nothing_wrong(done):
    result = run("doctor")
    assert result.exit_code == 0
    verdicts = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()}
    assert verdicts == {"address": "ok", "proxies": "ok", "key": "ok", "clock": "ok", "limit": "ok"}


def test_doctor_sees_the_queue_and_a_proxy(served, monkeypatch):  # noqa: F811
    for number in range(6):
        post(served, recording(str(number), seconds=60))
    monkeypatch.setenv("http_proxy", "http://user:pw@proxy.test:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = run("doctor")
    assert "2 jobs wait in the service's queue while 4 run: about 4" in result.stdout
    assert "NO_PROXY exempts this address" in result.stdout
    monkeypatch.delenv("no_proxy")
    result = run("doctor")
    assert "note  proxies   requests go through proxy.test" in result.stdout
    assert "pw" not in result.output


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"ASSEMBLYAI_API_KEY": ""}, "FAIL  key"),
        ({"ASSEMBLYAI_API_KEY": "wrong"}, "FAIL  key"),
        ({"ASSEMBLYAI_BASE_URL": "nowhere"}, "FAIL  address"),
        ({"ASSEMBLYAI_BASE_URL": "http://127.0.0.1:1"}, "FAIL  service"),
    ],
)
def test_doctor_names_what_is_wrong(served, monkeypatch, environment, what):  # noqa: F811
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run("doctor")
    assert result.exit_code == 1
    assert what in result.stdout
    assert "wrong" not in result.stdout.replace("FAIL", "")


def test_doctor_sees_a_wrong_clock(served):  # noqa: F811
    page = '{"transcripts": [], "page_details": {}}'
    for date, text in [("Thu, 01 Jan 2099 00:00:00 GMT", "behind"), ("Thu, 01 Jan 1998 00:00:00 GMT", "ahead of")]:
        served.faults.script("GET", "/v2/transcript", faults.Answer(200, page, {"Date": date}))
        result = run("doctor")
        assert result.exit_code == 1
        assert text in result.stdout


def test_flags_become_fields_and_options_win(served, tmp_path):  # noqa: F811
    config = tmp_path / "request.toml"
    config.write_text('punctuate = false\nlanguage_code = "fr"\n')
    flags = ["--speakers", "--language", "de", "--model", "universal-2", "--keyterm", "Ann", "--redact", "person_name"]
    run("transcribe", recording(), "--config", config, *flags, "-o", "language_code=it", "--multichannel")
    document = served.records[0].document
    assert document["punctuate"] is False
    assert document["language_code"] == "it"
    assert document["speech_models"] == ["universal-2"]
    assert document["keyterms_prompt"] == ["Ann"]
    assert document["redact_pii_policies"] == ["person_name"]
    assert document["speaker_labels"] is document["multichannel"] is document["redact_pii"] is True
    run("batch", recording("b"), "--language", "auto", "--output", tmp_path / "out")
    assert served.records[1].document["language_detection"] is True


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing.json", None, "No such file"),
        ("a.json", "{", "JSON or TOML"),
        ("a.json", '{"colour": 1}', "colour: there is no such field"),
        ("a.toml", "redact_pii = true", "redact_pii needs redact_pii_policies"),
    ],
)
def test_a_wrong_file_is_explained(served, tmp_path, name, content, text):  # noqa: F811
    if content is not None:
        (tmp_path / name).write_text(content)
    result = run("transcribe", recording(), "--config", tmp_path / name)
    assert result.exit_code == 2
    assert text in result.stderr


def test_the_shell_can_complete_commands():
    environment = {"_ASYNCSCRIBE_COMPLETE": "complete_bash", "COMP_WORDS": "asyncscribe tr", "COMP_CWORD": "1"}
    script = Path(sys.executable).parent / "asyncscribe"
    result = subprocess.run([script], capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert "transcribe" in result.stdout

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asyncscribe.cli import connection
from asyncscribe.cli.app import app
from asyncscribe.server import LocalServer, faults
from tests.support import EXAMPLES, KEY, POLLING, plain_environment, recording, transcripts

BROKEN = EXAMPLES / "broken" / "shopping list.mp3"


class Served:
    """A server in a thread of its own, so that commands can run their own loops."""

    def __init__(self, **arguments) -> None:
        self._arguments = arguments

    def __enter__(self) -> LocalServer:
        import asyncio
        import threading

        self.loop = asyncio.new_event_loop()
        started, self.ended = threading.Event(), asyncio.Event()

        async def serve() -> None:
            async with LocalServer(**self._arguments) as self.server:
                started.set()
                await self.ended.wait()

        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(serve()))
        self.thread.start()
        started.wait()
        return self.server

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def served(monkeypatch):
    with Served(limit=4, api_key=KEY) as server:
        monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
        monkeypatch.setenv("ASSEMBLYAI_BASE_URL", server.base_url)
        monkeypatch.setattr(connection, "POLLING", POLLING)
        yield server


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, **options)


def test_a_transcript_is_on_stdout_and_nothing_else(served):
    result = run("transcribe", recording())
    assert result.exit_code == 0
    assert result.stdout == "this is a simulated transcript\n"
    assert result.stderr == ""


def test_several_are_in_the_order_of_the_arguments_with_their_names(served):
    result = run("transcribe", recording("1", seconds=0.3, words=1), recording("2", words=2))
    first, second = result.stdout.splitlines()
    assert first.endswith(": this")
    assert second.endswith(": this is")


@pytest.mark.parametrize(("form", "begin"), [("json", '{"id": '), ("srt", "1\n00:00"), ("vtt", "WEBVTT\n\n00:00")])
def test_the_format_can_be_chosen(served, form, begin):
    result = run("transcribe", recording(), "--format", form)
    assert result.stdout.startswith(begin)
    assert form != "json" or json.loads(result.stdout)["status"] == "completed"


def test_stdin_is_a_source(served):
    result = run("transcribe", "-", input=b"\0" * 64_000)
    assert result.exit_code == 0
    assert result.stdout == "this is a simulated transcript\n"
    assert served.requests["POST /v2/upload"] == 1


def test_options_become_fields_of_the_request(served):
    options = ["-o", "speaker_labels=true", "-o", "language_code=de", "-o", 'keyterms_prompt=["a b"]']
    assert run("transcribe", recording(), *options).exit_code == 0
    document = served.records[0].document
    assert (document["speaker_labels"], document["language_code"]) == (True, "de")
    assert document["keyterms_prompt"] == ["a b"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-o", "speaker_lables=true"], "there is no such field"),
        (["-o", "speaker_labels"], "expected KEY=VALUE"),
        (["-o", "speech_threshold=7"], "less than or equal to 1"),
        (["--base-url", "nowhere"], "must be https"),
        (["--local", "--base-url", "us"], "contradict"),
        (["--format", "srt", "other.mp3"], "asyncscribe batch"),
        (["--format", "pdf"], "pdf"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_explained_and_exits_with_2(served, arguments, text):
    result = run("transcribe", recording(), *arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_without_a_key_it_says_how_to_set_one():
    result = run("transcribe", recording())
    assert result.exit_code == 2
    assert "ASSEMBLYAI_API_KEY" in result.stderr
    assert "--local" in result.stderr


def test_a_failing_source_is_told_and_the_others_are_printed(served):
    result = run("transcribe", "missing.wav", recording())
    assert result.exit_code == 1
    assert "error: missing.wav: there is no such file" in result.stderr
    assert "simulated" in result.stdout


def test_a_wrong_key_ends_it(served, monkeypatch):
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "wrong-key-5")
    result = run("batch", recording("1"), recording("2"), "--output", "out")
    assert result.exit_code == 1
    assert "401" in result.stderr
    assert "hint: check ASSEMBLYAI_API_KEY" in result.stderr
    assert "wrong-key-5" not in result.output


@pytest.mark.parametrize("command_line", [["batch", "--output", "out"], ["transcribe"]])
def test_what_is_paid_for_is_kept_when_the_account_is_refused_midway(served, command_line):
    refusal = '{"error": "Your current account balance is negative. Please top up to continue using the API."}'
    posts = []

    def third(request):
        posts.extend([request.path] if request.method == "POST" else [])
        return faults.Answer(400, refusal) if request.method == "POST" and len(posts) > 2 else None

    served.faults.next = third
    sources = [recording(str(n), seconds=0.5) for n in range(40)]
    result = run(*command_line, *sources)
    assert result.exit_code == 1
    assert "balance is negative" in result.stderr
    assert len(served.records) == 2
    assert len(posts) < 40
    if command_line[0] == "batch":
        assert len(transcripts("out")) == 2
    else:
        assert result.stdout.count("simulated transcript") == 2


def test_a_batch_writes_a_file_for_each_and_tells_on_stderr(served, folder, tmp_path):
    result = run("batch", folder, "--output", tmp_path / "out", "--format", "txt", "--format", "json")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "5 done, 0 failed" in result.stderr
    assert len(transcripts(tmp_path / "out")) == 10
    assert (tmp_path / "out" / "Straße" / "日本語.ogg.txt").exists()


def test_failures_are_listed_at_the_end_and_exit_with_1(served, folder, tmp_path):
    bad = recording("bad", error="Transcoding failed")
    result = run("batch", folder, bad, "missing.wav", "--output", tmp_path / "out")
    assert result.exit_code == 1
    end = result.stderr[result.stderr.index("5 done, 2 failed") :]
    assert "missing.wav: there is no such file" in end
    assert "Transcoding failed" in end


def test_json_is_events_a_line_and_a_summary(served, folder, tmp_path):
    served.faults.script("POST", "/v2/transcript", faults.Answer(429, "{}", {"Retry-After": "1"}))
    again = recording("again", server_errors=1)
    result = run("batch", folder, again, "--output", tmp_path / "out", "--json", "-c", "9")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    types = {line["type"] for line in lines}
    assert types >= {"state", "upload", "outcome", "summary", "retry", "pause", "resubmitting"}
    assert lines[-1] == {"type": "summary", "done": 6, "failed": 0, "skipped": 0, "left": 0, "stopped": False}
    outcomes = [line for line in lines if line["type"] == "outcome"]
    assert all(Path(line["files"][0]).exists() for line in outcomes)
    assert sum(line["submissions"] for line in outcomes) == 7
    assert result.stderr == ""


def test_plain_lines_tell_of_pauses_and_resubmissions(served, tmp_path):
    served.faults.script("POST", "/v2/transcript", faults.Answer(429, "{}", {"Retry-After": "1"}))
    result = run("batch", recording(server_errors=1), "--output", tmp_path / "out")
    assert "the service asks for a pause" in result.stderr
    assert "submitted again" in result.stderr
    assert "[1/1] done" in result.stderr


def test_quiet_shows_only_the_end(served, folder, tmp_path):
    result = run("batch", folder, "--output", tmp_path / "out", "--quiet")
    assert result.stderr.splitlines() == [f"5 done, 0 failed; transcripts are in {tmp_path / 'out'}"]


def test_texts_can_be_printed_too(served, folder, tmp_path):
    result = run("batch", folder / "a.wav", recording(), "--output", tmp_path / "out", "--print", "--quiet")
    assert "a.mp3: this is a simulated transcript" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--json", "--print"], 2, "contradict"),
        ([], 1, "no audio or video"),
    ],
)
def test_a_batch_that_can_not_be_says_so(served, tmp_path, arguments, code, text):
    (tmp_path / "empty").mkdir()
    result = run("batch", tmp_path / "empty", "--output", tmp_path / "out", *arguments)
    assert result.exit_code == code
    assert text in result.stderr


def test_an_output_that_is_a_file_is_refused(served, tmp_path):
    (tmp_path / "out").touch()
    result = run("batch", recording(), "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["transcribe", "--help"], ["batch", "-h"], ["serve", "--help"]])
def test_help_is_there_for_everything(arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version():
    assert run("--version").stdout.strip().count(".") == 2


def command(*arguments, **options) -> subprocess.Popen:
    environment = {**plain_environment(), "NO_COLOR": "1", **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "asyncscribe", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_with_a_bar_on_the_terminal_texts_still_go_to_stdout(served, tmp_path):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "asyncscribe", "batch", recording(), "--output", tmp_path / "out", "--print"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**plain_environment(), "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        shown = b""
        # Reading the end of a closed terminal is an error on Linux.
        with contextlib.suppress(OSError):
            while some := os.read(ours, 4096):
                shown += some
        os.close(ours)
        assert process.stdout.read() == "a.mp3: this is a simulated transcript\n"
    assert b"transcribing" in shown
    assert b"1 done" in shown
    assert b"simulated" not in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_exits_with_130_and_leaves_nothing_half_written(served, tmp_path, number):
    output = tmp_path / "out"
    sources = [recording("quick"), recording("slow", seconds=600)]
    with command("batch", *sources, "--output", output, "--json") as process:
        for line in process.stdout:
            if json.loads(line)["type"] == "outcome":
                break
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.split("\n")[-3:] == [
        "1 done; everything is kept: the same command resumes from here",
        "interrupted",
        "",
    ]
    assert transcripts(output) == ["quick.mp3.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_while_stdin_says_nothing(served, number):
    with command("transcribe", "-", stdin=subprocess.PIPE) as process:
        process.stdin.write("the first bytes, and then nothing more")
        process.stdin.flush()
        while not served.requests["POST /v2/upload"]:
            assert process.poll() is None
        process.send_signal(number)
        process.wait(timeout=20)
        assert process.stderr.read().strip() == "interrupted"
    assert process.returncode == 130


def test_an_interrupted_transcription_names_the_job_that_still_runs(served):
    with command("transcribe", recording("slow", seconds=600)) as process:
        while not served.records:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    (record,) = served.records
    *named, last = stderr.splitlines()
    assert (process.returncode, last) == (130, "interrupted")
    # Whatever its answer brought: it may have been cut off before that.
    assert f"asyncscribe get {record.id} --wait" in "".join(named)


def test_an_interrupt_before_the_command_has_begun_is_one():
    code = (
        "import sys, types; app = types.ModuleType('app')\n"
        "def run(): raise KeyboardInterrupt\n"
        "app.run = run; sys.modules['asyncscribe.cli.app'] = app\n"
        "import asyncscribe.cli; asyncscribe.cli.app = app\n"
        "from asyncscribe.__main__ import main\nmain()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_server_serves_until_it_is_told_to_end(number, code, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    arguments = ["serve", "--port", "0", "--engine", "simulated", "--limit", "3"]
    with command(*arguments, env={"ASSEMBLYAI_API_KEY": KEY, "TMPDIR": str(temporary)}) as process:
        url = process.stderr.readline().split()[2]
        assert list(temporary.iterdir())
        environment = {"ASSEMBLYAI_API_KEY": KEY}
        with command("transcribe", recording(), "--base-url", url, env=environment) as client:
            stdout, _ = client.communicate(timeout=20)
        assert stdout == "this is a simulated transcript\n"
        with command("transcribe", recording(), "--base-url", url, env={"ASSEMBLYAI_API_KEY": "x"}) as client:
            assert "401" in client.communicate(timeout=20)[1]
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == code
    assert not list(temporary.iterdir())


def test_a_port_in_use_is_told(served):
    port = served.base_url.rpartition(":")[2]
    result = run("serve", "--port", port, "--engine", "simulated")
    assert result.exit_code == 2
    assert "can't listen" in result.stderr
    assert "--port 0" in result.stderr


def test_a_reader_that_goes_away_ends_it_quietly(served):
    with command("transcribe", recording(words=50_000, duration=9000), "--format", "json") as process:
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(timeout=20)
    assert "Traceback" not in stderr


def test_real_speech_without_a_key_and_without_a_network(tmp_path):
    result = run("transcribe", "--local", EXAMPLES / "audio" / "office.wav", BROKEN)
    assert result.exit_code == 1
    assert "please call the office before noon and ask for the new report" in result.stdout
    assert "does not appear to contain audio" in result.stderr


def test_without_the_engine_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("transcribe", "--local", "a.wav")
    assert result.exit_code == 2
    assert "pip install 'asyncscribe[local]'" in result.stderr


def test_a_mistake_in_the_package_is_not_taken_for_a_missing_extra():
    code = "import sys; sys.modules['asyncscribe.cli.app'] = None\nfrom asyncscribe.__main__ import main\nmain()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in result.stderr


def test_the_real_engine_is_served_by_default(tmp_path):
    with command("serve", "--port", "0") as process:
        line = process.stderr.readline()
        url = line.split()[2]
        audio = EXAMPLES / "audio" / "office.wav"
        with command("transcribe", audio, "--base-url", url, env={"ASSEMBLYAI_API_KEY": "any"}) as client:
            stdout, _ = client.communicate(timeout=30)
        process.terminate()
        process.communicate(timeout=20)
    assert "engine pocketsphinx" in line
    assert stdout.startswith("please call the office")


def test_without_the_extra_the_command_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None\nfrom asyncscribe.__main__ import main\nmain()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install 'asyncscribe[cli]'" in result.stderr
    assert "Traceback" not in result.stderr

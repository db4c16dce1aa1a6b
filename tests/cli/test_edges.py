"""What a user can do to the commands: closed pipes, full disks, odd names, odd sources. No traceback, nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from asyncscribe.batch.inputs import stores
from asyncscribe.cli.display.rendering import printable
from tests.cli.test_commands import run, served  # noqa: F401
from tests.support import EXAMPLES, KEY, plain_environment, recording, transcripts

pytestmark = pytest.mark.long

COMMAND = [sys.executable, "-m", "asyncscribe"]


def environment(server):
    return {**plain_environment(), "ASSEMBLYAI_API_KEY": KEY, "ASSEMBLYAI_BASE_URL": server.base_url}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def shell(line, server, **options):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        env={**environment(server), "ASYNCSCRIBE": f"{sys.executable} -m asyncscribe"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        **options,
    )


def test_a_reader_that_leaves_ends_the_batch_quietly_and_stops_submitting(served, output, tmp_path):  # noqa: F811
    listed = tmp_path / "list"
    listed.write_text("\n".join(recording(str(number), seconds=0.2) for number in range(60)))
    line = f"$ASYNCSCRIBE batch --from-file {listed} -O {output} --json | head -1"
    result = shell(line, served)
    assert json.loads(result.stdout)
    assert result.stderr == ""
    submitted = served.requests["POST /v2/transcript"]
    assert submitted < 20
    # What was submitted is waited for, and not paid again.
    assert run("batch", "--from-file", listed, "-O", output).exit_code == 0
    assert served.requests["POST /v2/transcript"] == 60


def test_a_reader_that_leaves_ends_an_export_quietly(served, output):  # noqa: F811
    run("batch", *[recording(str(number), words=200) for number in range(100)], "-O", output)
    result = shell(f"$ASYNCSCRIBE batch export {output} | head -1", served)
    assert result.stdout.startswith("name,source,status")
    assert "Traceback" not in result.stderr
    assert "error" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_told(served, output):  # noqa: F811
    run("batch", recording(), "-O", output)
    for command in ("list", f"batch export {output}", f"transcribe '{recording('new')}'"):
        result = shell(f"$ASYNCSCRIBE {command} > /dev/full", served)
        assert result.returncode == 1
        assert "No space left on device" in result.stderr
        assert "Traceback" not in result.stderr


def test_without_stdout_the_work_is_done(served, output):  # noqa: F811
    result = shell(f"$ASYNCSCRIBE batch '{recording()}' -O {output} --print >&-", served)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    assert transcripts(output) == ["a.mp3.json"]
    assert shell(f"$ASYNCSCRIBE batch '{recording('b')}' -O {output} 2>&- >&-", served).returncode == 0


def test_a_named_pipe_in_a_folder_hangs_nothing(served, folder, output):  # noqa: F811
    os.mkfifo(folder / "pipe.mp3")
    result = run("batch", folder, "-O", output)
    assert result.exit_code == 1
    assert "it is no file, but a pipe" in result.stderr
    assert len(transcripts(output)) == 5


@pytest.mark.slow_decode
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_workers_of_the_embedded_server_end_with_it(tmp_path, how):
    audio = tmp_path / "in"
    audio.mkdir()
    for number in range(4):
        shutil.copy(EXAMPLES / "audio" / "office.wav", audio / f"{number}.wav")
    process = subprocess.Popen(
        [*COMMAND, "batch", audio, "--local", "-O", tmp_path / "out"],
        env=plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        workers: list[psutil.Process] = []
        while len([w for w in workers if "spawn_main" in " ".join(w.cmdline())]) < 1:
            assert process.poll() is None
            workers = psutil.Process(process.pid).children(recursive=True)
            time.sleep(0.05)
        # Once it is killed they belong to nobody, so they are remembered here.
        process.send_signal(how)
        process.wait(20)
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []
    finally:
        process.kill()


@pytest.mark.parametrize("source", ["https://[sig/a.mp3", "https://a.test/\udcff.mp3", "http://"])
def test_an_address_that_is_none_fails_alone(served, output, tmp_path, source):  # noqa: F811
    listed = tmp_path / "list"
    listed.write_bytes(f"{source}\n{recording('good')}\n".encode("utf-8", "surrogateescape"))
    result = run("batch", "--from-file", listed, "-O", output)
    assert result.exit_code == 1
    assert "1 done, 1 failed" in result.stderr
    assert "Traceback" not in result.stderr
    assert run("batch", "--from-file", listed, "-O", output, "--dry-run").exit_code == 0


def test_an_object_store_without_its_package_is_told(served, output, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "obstore", None)
    for more in ([], ["--dry-run"]):
        result = run("batch", "s3://bucket/calls", "-O", output, *more)
        assert result.exit_code == 2
        assert "asyncscribe[stores]" in result.stderr


def test_an_object_store_that_can_not_be_read_is_told_by_a_dry_run(served, output, monkeypatch):  # noqa: F811
    async def nothing(address, *_):
        for page in ():
            yield page

    monkeypatch.setattr("asyncscribe.batch.inputs.discovery.recordings", nothing)
    result = run("batch", "s3://bucket/calls", "-O", output, "--dry-run")
    assert result.exit_code == 1
    assert "there is no audio or video below this address" in result.stderr
    assert stores.is_store("s3://bucket")


def test_the_folder_of_the_recordings_is_no_output_folder(served, folder, monkeypatch):  # noqa: F811
    monkeypatch.chdir(folder)
    result = run("batch", ".", "-O", ".")
    assert result.exit_code == 1
    assert "this is the output folder itself" in result.stderr
    assert run("batch", ".", "-O", "").exit_code == 2


@pytest.mark.parametrize("where", ["in/out", "."])
def test_an_output_folder_below_or_above_the_recordings_works(served, folder, tmp_path, monkeypatch, where):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("batch", "in", "-O", where).exit_code == 0
    assert len([name for name in transcripts(tmp_path / where) if name.endswith(".json")]) == 5
    assert served.requests["POST /v2/transcript"] == 5


def test_control_characters_of_names_reach_no_terminal(served, tmp_path, output):  # noqa: F811
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a\x1b[2J\nb.wav").write_bytes(b"")
    result = run("batch", tmp_path / "in", "-O", output)
    assert "\x1b" not in result.stderr
    assert r"a\x1b[2J\nb.wav" in result.stderr
    assert printable("日本語 ü\u00a0👩‍🚀") == "日本語 ü\u00a0👩‍🚀"


def test_a_table_is_written_whole_or_not_at_all(served, output, tmp_path, monkeypatch):  # noqa: F811
    run("batch", recording(), "-O", output)
    file = tmp_path / "all.csv"
    file.write_text("old")

    async def broken(table, form, place):
        place.write("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("asyncscribe.cli.batch.results.write_lines", broken)
        result = run("batch", "export", output, "-O", file)
    assert (result.exit_code, file.read_text()) == (1, "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "out"]
    assert run("batch", "export", output, "-O", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_where_a_transcript_can_be_had_that_could_not_be_written_is_told(served, output):  # noqa: F811
    (output / "a.mp3.json").mkdir(parents=True)
    result = run("batch", recording(), "-O", output)
    assert f"asyncscribe get {served.records[0].id}" in result.stderr


def test_recover_takes_what_batch_takes(served, output, tmp_path):  # noqa: F811
    listed = tmp_path / "list"
    listed.write_text(recording("one"))
    run("batch", "--from-file", listed, recording("two"), "-O", output)
    shutil.rmtree(output)
    output.mkdir()
    result = run("batch", "recover", output, "-", "--from-file", listed, input=recording("two") + "\n")
    assert (result.exit_code, "2 were found in the account" in result.stderr) == (0, True)
    misspelt = run("batch", "recover", output, tmp_path / "nowhere")
    assert (misspelt.exit_code, "there is no" in misspelt.stderr) == (2, True)
    assert run("batch", "recover", output).exit_code == 2


def test_the_same_options_mean_the_same_everywhere(served, tmp_path):  # noqa: F811
    file = tmp_path / "a.txt"
    assert run("transcribe", recording(), "-f", "txt", "-O", file).stdout == ""
    assert file.read_text() == "this is a simulated transcript\n"
    assert json.loads(run("transcribe", recording(), "--json").stdout)["status"] == "completed"
    assert run("transcribe", recording(), "-O", tmp_path).exit_code == 2
    unwritable = run("transcribe", recording(), "-O", file / "below")
    assert unwritable.exit_code == 1
    # It is paid for.
    assert unwritable.stdout == "this is a simulated transcript\n"


def test_the_reason_of_a_failure_comes_first(served, output):  # noqa: F811
    result = run("batch", recording("bad", error="Transcoding failed"), "-O", output)
    assert "bad.mp3: Transcoding failed (input" in result.stderr
    status = run("batch", "status", output)
    assert "bad.mp3: Transcoding failed\n" in status.stdout


def test_a_report_that_no_browser_would_open_is_refused(served, output, monkeypatch):  # noqa: F811
    run("batch", *[recording(str(number), words=50) for number in range(5)], "-O", output)
    monkeypatch.setattr("asyncscribe.batch.report.page.write_report.__kwdefaults__", {"largest": 1000})
    result = run("batch", "report", output)
    assert (result.exit_code, "batch export" in result.stderr) == (1, True)
    assert not (output / "report.html").exists()

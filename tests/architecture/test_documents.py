"""README, the examples and the documents do what they say."""

import ast
import asyncio
import contextlib
import importlib.util
import io
import re
import shutil
import subprocess
import sys

import pytest

from asyncscribe import AsyncClient, Transcript, TranscriptionConfig
from asyncscribe.batch import Batch
from tests.support import EXAMPLES, KEY, ROOT, open_client, recording

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.fixture
def environment(server, monkeypatch):
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    monkeypatch.setenv("ASSEMBLYAI_BASE_URL", server.base_url)


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def run_blocks(page, names):
    """Run all blocks of Python of a page, and return how many there are."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL)
    for number, block in enumerate(blocks):
        # Top-level await, and one namespace for all, as a reader would type them one after the other.
        code = compile(block, f"{page} block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        # In a thread, since what waits without `await` would hold up the server.
        running = await asyncio.to_thread(eval, code, names)
        if running is not None:
            await running
    return len(blocks)


async def test_the_python_of_the_readme_runs(environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").mkdir()
    for name in ["interview.mp3", "recordings/a.mp3", "recordings/b.mp3"]:
        shutil.copy(EXAMPLES / "audio" / "weather.mp3", tmp_path / name)
    code, batch = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(code.replace("asyncio.run(main())", ""), names)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        await names["main"]()
    assert shown.getvalue().count("this is") == 3
    names = {"AsyncClient": AsyncClient, "Batch": Batch}
    # What is at https://example.org is nobody's business here.
    batch = batch.replace("https://example.org/a.mp3", recording())
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        await eval(compile(batch, "README", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert shown.getvalue().count("Path('transcripts/") == 3


async def test_every_block_of_the_guide_runs(environment, server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    async with open_client(server) as client:
        names = {"client": client, "URL": recording(words=9, duration=4, seconds=0.05)}
        assert await run_blocks("guide", names) == 16
    shown = capsys.readouterr().out
    assert "can't be read: there is no such file" in shown
    assert "Speaker A: this is a simulated" in shown
    assert (tmp_path / "interview.srt").read_text().startswith("1\n")


async def test_every_block_about_cancellation_runs(environment, server, capsys):
    async with open_client(server) as client:
        names = {"client": client, "URL": recording(words=9, seconds=0.05), "LONG": recording("long", seconds=2)}
        assert await run_blocks("cancellation", names) == 6
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "nobody waits any more"
    assert shown[1].startswith("goes on at the service: ['")
    assert shown[2] == "processing"
    assert shown[3].startswith("0 True")
    assert shown[4].startswith("this is")
    assert shown[5].startswith("True ")
    assert shown[6].startswith("this is")
    assert shown[7] == "True"


async def test_every_block_about_errors_runs(environment, server):
    async with open_client(server) as client:
        assert await run_blocks("errors", {"client": client, "URL": recording()}) == 1


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20", "ignore::DeprecationWarning")
async def test_every_block_about_the_vendors_sdk_runs(environment, server, monkeypatch, capsys):
    import assemblyai

    monkeypatch.setattr(assemblyai.settings, "base_url", server.base_url)
    monkeypatch.setattr(assemblyai.settings, "polling_interval", 0.05)
    monkeypatch.setattr(assemblyai.Client, "_default", None)
    assert await run_blocks("migration", {"URL": recording(words=2)}) == 7
    shown = capsys.readouterr().out
    assert shown.count("this is\n") == 9
    assert "failed" not in shown
    assemblyai.Client.get_default().http_client.close()


def test_the_calls_of_both_clients_that_are_compared_exist():
    import assemblyai

    rows = [row.split(" | ") for row in (ROOT / "docs" / "migration.md").read_text().splitlines() if row[:3] == "| `"]
    assert len(rows) > 30
    owners = {
        "Transcriber()": assemblyai.Transcriber,
        "AsyncTranscriber()": assemblyai.AsyncTranscriber,
        "Transcript": assemblyai.Transcript,
        "TranscriptGroup": assemblyai.TranscriptGroup,
        "transcript": assemblyai.Transcript,
        "config": assemblyai.TranscriptionConfig,
        "aai.settings": assemblyai.settings,
        "aai": assemblyai,
    }
    for theirs, ours in rows:
        for owner, name in re.findall(r"(aai\.settings|\w+(?:\(\))?)\.(\w+)", theirs):
            if owner in owners:
                assert hasattr(owners[owner], name), (owner, name)
        assert all(hasattr(AsyncClient, name) for name in re.findall(r"client\.(\w+)", ours)), ours
        assert all(hasattr(Transcript, name) for name in re.findall(r"transcript\.(\w+)", ours)), ours
        assert all(hasattr(TranscriptionConfig, name) for name in re.findall(r"config\.(\w+)", ours)), ours


async def test_one_file(environment, capsys):
    await load("one_file").main(recording(words=2))
    assert capsys.readouterr().out.splitlines()[0] == "this is"


async def test_a_folder(environment, capsys, tmp_path):
    for name in ["a.wav", "sub/b.mp3"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0" * 32_000)
    (tmp_path / "empty.wav").touch()
    await load("folder").main(tmp_path)
    assert (tmp_path / "sub" / "b.srt").read_text().startswith("1\n")
    assert "empty.wav: is empty" in capsys.readouterr().err


def test_the_scripts_tell_how_they_are_called():
    for path in EXAMPLES.glob("*.py"):
        assert f"python examples/{path.name}" in path.read_text()
    for folder in ["aiohttp_service", "fastapi_service", "worker"]:
        assert f"examples/{folder}" in README
        assert f"examples/{folder}" in (EXAMPLES / folder / "README.md").read_text()


def test_an_example_explains_a_missing_key():
    result = subprocess.run(
        [sys.executable, EXAMPLES / "one_file.py", "a.mp3"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "ASSEMBLYAI_API_KEY" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_the_readme_shows_of_the_demo_is_what_it_prints(tmp_path):
    """In whatever order the recordings end."""
    (console,) = re.findall(r"```console\n\$ make demo\n(.*?)```", README, re.DOTALL)
    (recipe,) = re.findall(r"^demo:.*?\n(?:\t.*\n)*?\t@\$\(BIN\)/asyncscribe (.*)\n", MAKEFILE, re.MULTILINE)
    arguments = [str(tmp_path / "out") if part == "demo-output" else part for part in recipe.split()]
    command = [sys.executable, "-m", "asyncscribe", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    lines = [*result.stdout.splitlines(), *result.stderr.replace(str(tmp_path / "out"), "demo-output").splitlines()]
    # A terminal gets a bar instead.
    printed = [line for line in lines if not re.match(r"\[\d/7] done ", line)]
    setting_up, *shown = console.splitlines()
    assert setting_up == "setting up .venv (local)"
    assert sorted(shown) == sorted(printed)


def test_every_command_and_target_of_the_readme_exists():
    from asyncscribe.cli.app import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"^    asyncscribe (\w+)", README, re.MULTILINE)) == commands
    targets = set(re.findall(r"^    make (\w+)", README, re.MULTILINE))
    assert targets == {"demo", "test"}
    assert targets <= set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))


def test_every_exit_code_is_documented():
    from asyncscribe.cli.exits import Exit

    (codes,) = re.findall(r"Exit codes: (.*?)\.\n", README, re.DOTALL)
    assert {int(code) for code in re.findall(r"\d+", codes)} == set(Exit)


def test_every_yes_of_the_table_of_features_has_a_test():
    rows = [line for line in (ROOT / "docs" / "features.md").read_text().splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row)}
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", sources))
    assert named <= defined, named - defined
    ours = [row.split("|")[-3:-1] for row in rows if "tested by" not in row]
    assert all(("`test_" in test) == (verdict.strip() == "yes") for verdict, test in ours)

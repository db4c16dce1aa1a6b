"""How a run ends with an exit code."""

import io
import os
import subprocess
import sys

import pytest
import typer

from asyncscribe.cli.exits import Exit, UserError, echo_err, run
from asyncscribe.errors import AuthenticationError, ConfigurationError, JournalError, MissingApiKey
from tests.support import plain_environment


def ended(command):
    with pytest.raises(typer.Exit) as ended:
        run(command)
    return ended.value.exit_code


def raising(error):
    async def command():
        raise error

    return command


@pytest.mark.parametrize("code", [Exit.DONE, Exit.FAILED, Exit.STOPPED])
def test_a_command_that_ends_by_itself_exits_with_what_it_says(code, capsys):
    async def command():
        return code

    assert ended(command) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("no such thing", "try another"), Exit.USAGE, "error: no such thing\nhint: try another\n"),
        (UserError("nothing there", code=Exit.FAILED), Exit.FAILED, "error: nothing there\n"),
        (ConfigurationError("no such region"), Exit.USAGE, "error: no such region\n"),
        (
            JournalError("journal", "it is full"),
            Exit.FAILED,
            "error: the journal journal can't be used: it is full\n",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line_or_two(error, code, told, capsys):
    assert ended(raising(error)) == code
    assert capsys.readouterr() == ("", told)


def test_what_concerns_the_key_comes_with_a_way_on(capsys):
    assert ended(raising(MissingApiKey())) == Exit.USAGE
    assert "hint: without a key, `transcribe` and `batch` take --local" in capsys.readouterr().err
    assert ended(raising(AuthenticationError("GET /v2/transcript", 401, "no"))) == Exit.FAILED
    assert "hint: check ASSEMBLYAI_API_KEY" in capsys.readouterr().err


def test_a_mistake_in_the_program_is_not_explained_away():
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


def test_any_character_can_be_told_to_any_terminal(monkeypatch):
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(terminal, encoding="ascii", write_through=True))
    echo_err("Grüße \udce9")
    assert terminal.getvalue() == rb"Gr\xfc\xdfe \udce9" + b"\n"


def test_a_terminal_that_is_gone_ends_nothing(monkeypatch):
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "w", encoding="utf-8", buffering=1) as gone, monkeypatch.context() as patched:  # noqa: PTH123
        patched.setattr(sys, "stderr", gone)

        async def command():
            echo_err("to nobody")
            return Exit.DONE

        assert ended(command) == Exit.DONE
        with pytest.raises(BrokenPipeError):
            gone.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), theirs)


@pytest.mark.parametrize(
    ("body", "code", "stderr"),
    [
        ("os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)", 130, "closed\ninterrupted\n"),
        ("os.kill(os.getpid(), signal.SIGTERM); await asyncio.sleep(60)", 130, "closed\ninterrupted\n"),
        ("raise OSError(28, 'No space left on device', 'a.csv')", 1, "closed\nerror: a.csv: No space left on device\n"),
        ("raise BrokenPipeError(32, 'Broken pipe')", 1, "closed\n"),
    ],
)
def test_whatever_ends_it_cleans_up_and_shows_no_traceback(body, code, stderr):
    program = f"""
import asyncio, os, signal, sys
from asyncscribe.cli.exits import Exit, run, echo_err
async def command():
    try:
        {body}
    finally:
        echo_err("closed")
run(command)
"""
    program = program.replace(
        "\nrun(command)", "\ntry:\n    run(command)\nexcept Exception as e:\n    sys.exit(e.exit_code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=plain_environment()
    )
    assert (result.returncode, result.stderr) == (code, stderr)

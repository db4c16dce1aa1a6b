"""The exit codes of all commands, and how a command ends with one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import IntEnum
from typing import Any

import typer

from asyncscribe.errors import AsyncscribeError, AuthenticationError, ConfigurationError, MissingApiKey


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    """Everything was done."""
    FAILED = 1
    """Something failed; it is listed at the end."""
    USAGE = 2
    """The command was called wrongly, or a setting is missing."""
    STOPPED = 3
    """An allowance was used up before everything was done."""
    INTERRUPTED = 130
    """Ctrl-C, or SIGTERM."""


class UserError(Exception):
    """A mistake by the user.

    Attributes:
        hint: What to do.
        code: The exit code.
    """

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def echo_err(text: str) -> None:
    """Write a message to stderr, whatever its characters."""
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)  # noqa: T201


def run(command: Callable[[], Coroutine[Any, Any, Exit]]) -> None:
    """Run a command to its end and exit; users' mistakes are reported in a line or two, without a traceback."""
    try:
        code = asyncio.run(_interruptible(command()))
        sys.stdout.flush()
    except (KeyboardInterrupt, asyncio.CancelledError):
        echo_err("interrupted")
        sys.stderr.flush()
        # Everything is closed by now. A normal exit would wait for a thread that still reads from stdin.
        os._exit(Exit.INTERRUPTED)
    except UserError as error:
        code = _explain(str(error), error.hint, error.code)
    except AsyncscribeError as error:
        usage = isinstance(error, ConfigurationError)
        code = _explain(str(error), _hint(error), Exit.USAGE if usage else Exit.FAILED)
    except BrokenPipeError:
        # The reader of stdout has gone, for example `head`.
        _discard_stdout()
        code = Exit.FAILED
    except OSError as error:
        # An unexpected file, or stdout itself on a full disk.
        _discard_stdout()
        place = f"{error.filename}: " if error.filename else ""
        code = _explain(f"{place}{error.strerror or error}", "", Exit.FAILED)
    raise typer.Exit(code)


def _discard_stdout() -> None:
    # Python flushes stdout when it exits, and would report the same error again.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _interruptible(command: Coroutine[Any, Any, Exit]) -> Exit:
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        # asyncio handles SIGINT; a service manager's SIGTERM must clean up as well.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await command


def _explain(message: str, hint: str, code: Exit) -> Exit:
    echo_err(f"error: {message}")
    if hint:
        echo_err(f"hint: {hint}")
    return code


def _hint(error: AsyncscribeError) -> str:
    match error:
        case MissingApiKey():
            return "without a key, `transcribe` and `batch` take --local, and --base-url leads to `asyncscribe serve`"
        case AuthenticationError():
            return "check ASSEMBLYAI_API_KEY, and ASSEMBLYAI_BASE_URL if the account is in the EU region"
    return ""

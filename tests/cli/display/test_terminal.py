"""The progress of a batch on a terminal: a real one for the command, and one of ours that shows what was drawn."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios

import pyte
import pytest

from tests.cli.test_commands import served
from tests.support import plain_environment, recording

pytestmark = pytest.mark.long

__all__ = ["served"]

LINES = 24
COLOURS = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d)[;m]")


class Terminal:
    """Runs a command with its stderr on a terminal, and draws what it writes there."""

    def __init__(self, *arguments, columns=120, **environment) -> None:
        self._ours, theirs = pty.openpty()
        self._screen = pyte.Screen(columns, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        self._size(columns)
        # A width that is set there, as some test runners do, would count for more than the terminal's.
        surroundings = {
            name: value for name, value in plain_environment().items() if name not in {"COLUMNS", "NO_COLOR"}
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asyncscribe", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**surroundings, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._ours)

    def _size(self, columns) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))

    def resize(self, columns) -> None:
        self._size(columns)
        self._screen.resize(LINES, columns)
        self._screen.reset()

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def until(self, condition) -> list[str]:
        """Draw until what is shown meets a condition."""
        while not condition(self.shown):
            ready, _, _ = select.select([self._ours], [], [], 30)
            assert ready, f"nothing more is drawn: {self.shown}"
            self._take()
        return self.shown

    def _take(self) -> bool:
        try:
            some = os.read(self._ours, 65536)
        except OSError:
            # How Linux tells the end of a terminal.
            return False
        self.written += some
        self._stream.feed(some)
        return bool(some)

    def end(self) -> tuple[int, str]:
        """The exit code and what was written to stdout."""
        while self._take():
            pass
        stdout, _ = self.process.communicate(timeout=20)
        return self.process.returncode, stdout


def batch(output, *sources, **options):
    return Terminal("batch", *sources, "--output", output, *options.pop("flags", ()), **options)


def test_the_block_follows_the_width_of_the_terminal(served, tmp_path):
    reason = "Transcoding failed for a reason that takes more words to be told than a narrow terminal has room for"
    sources = [recording("quick"), recording("bad", error=reason), recording("slow", seconds=600)]
    with batch(tmp_path / "out", *sources) as terminal:
        shown = terminal.until(lambda lines: any("1 failed" in line for line in lines) and "1 done" in " ".join(lines))
        assert "2/3" in shown[0]
        assert shown[1].startswith("1 done · 1 failed · 0 uploading")
        assert "1 processing" in shown[1]
        assert shown[2].startswith("limit ")
        assert shown[3].startswith("FAILED bad.mp3: ")
        assert len(shown) == 4
        terminal.resize(48)
        # What was under way for the old width may still stand above.
        shown = terminal.until(lambda lines: len(lines) >= 4 and all(line.endswith("…") for line in lines[-3::2]))
        assert shown[-3].startswith("1 done · 1 failed")
        assert shown[-1].startswith("FAILED bad.mp3: ")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == (130, "")
    assert "1 done; everything is kept" in " ".join(terminal.shown)
    assert terminal.shown[-1] == "interrupted"


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_left_out_when_that_is_wished(served, tmp_path, environment, coloured):
    with batch(tmp_path / "out", recording(), **environment) as terminal:
        assert terminal.end() == (0, "")
    assert "1 done · 0 failed" in " ".join(terminal.shown)
    assert bool(COLOURS.search(terminal.written)) == coloured


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_no_block_is_drawn_when_that_is_wished(served, tmp_path, flag):
    with batch(tmp_path / "out", recording(), flags=[flag]) as terminal:
        code, stdout = terminal.end()
    assert code == 0
    assert bool(stdout) == (flag == "--json")
    assert b"\x1b" not in terminal.written
    assert "transcribing" not in " ".join(terminal.shown)


def test_what_earlier_runs_did_counts_as_done(served, tmp_path):
    sources = [recording(str(number)) for number in range(5)]
    with batch(tmp_path / "out", *sources) as terminal:
        assert terminal.end()[0] == 0
    with batch(tmp_path / "out", *sources, recording("slow", seconds=600)) as terminal:
        shown = terminal.until(lambda lines: any("5 before" in line and "1 processing" in line for line in lines))
        assert "5/6" in shown[0]
        assert "83%" in shown[0]

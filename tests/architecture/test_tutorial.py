"""Every block of the tutorial, one after the other: files are written, commands run, and show what the page says."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.support import EXAMPLES, ROOT, plain_environment

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
#: Everything is installed here already, and nothing is fetched from the internet.
INSTALLATION = ("python -m venv", ". .venv/bin/activate", "pip install")
SERVERS = ("asyncscribe serve", "python service.py")
PROGRAMS = {"python": "", "asyncscribe": "-m asyncscribe", "pytest": "-m pytest -p no:cacheprovider"}


class Terminals:
    """A folder, what runs in the background, and the variables that were exported."""

    def __init__(self, folder):
        self.folder = folder
        self.servers = []
        self.ports = {"8000": free_port(), "8080": free_port()}
        programs = folder / ".programs"
        programs.mkdir()
        for name, arguments in PROGRAMS.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
            (programs / name).chmod(0o755)
        self.environment = {
            **{name: value for name, value in plain_environment().items() if not name.startswith("ASSEMBLYAI_")},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
        }

    def here(self, text):
        """The text with ports that are free."""
        return re.sub("|".join(self.ports), lambda port: self.ports[port[0]], text)

    def type(self, command):
        """Run a command, and return what it shows."""
        command = self.here(command)
        if command.startswith("export "):
            self.environment |= dict(pair.split("=", 1) for pair in command.split()[1:])
        elif command.startswith(SERVERS):
            self._serve(command)
        elif not command.startswith(INSTALLATION):
            result = subprocess.run(
                command, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, (command, result.stdout, result.stderr)
            return result.stdout
        return None

    def _serve(self, command):
        port = command.rpartition(" ")[2] if "--port" in command else self.ports["8080"]
        server = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{command} does not listen")

    def close(self):
        for server in reversed(self.servers):
            server.terminate()
        for server in self.servers:
            server.communicate(timeout=30)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def as_pattern(expected):
    """What the page shows; `...` stands for anything."""
    return re.escape(expected.strip()).replace(re.escape("..."), r"[\s\S]*?")


@pytest.mark.long
@pytest.mark.slow_decode
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a POSIX shell")
@pytest.mark.timeout(120)
def test_every_block_of_the_tutorial_runs_and_shows_what_it_says(tmp_path):
    for name in ["weather.mp3", "recordings/weather.mp3", "recordings/office.wav"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(EXAMPLES / "audio" / name.rpartition("/")[2], tmp_path / name)
    terminals = Terminals(tmp_path)
    try:
        for found in re.finditer(r"^```(\w+)\n(.*?)^```", TUTORIAL, re.DOTALL | re.MULTILINE):
            language, block = found.groups()
            if language == "python":
                name = re.findall(r"`(\w+\.py)`", TUTORIAL[: found.start()])[-1]
                (tmp_path / name).write_text(terminals.here(block))
                continue
            assert language == "console"
            for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                shown = terminals.type(command)
                if shown is not None:
                    assert re.fullmatch(as_pattern(terminals.here(expected)), shown.strip()), (command, shown)
    finally:
        terminals.close()

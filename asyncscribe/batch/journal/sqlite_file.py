"""The file of an SQLite journal: opens, locks, migrates it, and writes in transactions."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from asyncscribe.batch.journal.migration import migrate_to_identities
from asyncscribe.errors import JournalBusy, JournalCorrupt, JournalError

#: The journal's name in the output folder.
JOURNAL_NAME = ".asyncscribe.sqlite3"
LOCK_NAME = ".asyncscribe.lock"

#: Each raises the schema by one version; the position is the version that it starts from.
MIGRATIONS: tuple[str | Callable[[sqlite3.Connection, Path], None], ...] = (
    """
    CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        content TEXT NOT NULL,              -- sha256:... of the bytes, or an address
        config TEXT NOT NULL,               -- fingerprint of the configuration
        step TEXT NOT NULL DEFAULT 'found', -- found, uploaded, submitting, submitted, completed, failed
        audio_url TEXT,
        uploaded REAL,                      -- times are Unix seconds
        doubtful_url TEXT,                  -- a submission whose end is not known
        doubtful_since REAL,
        ids TEXT NOT NULL DEFAULT '[]',     -- the service's ids, oldest first
        reason TEXT,
        category TEXT,
        audio_seconds REAL,
        times TEXT NOT NULL DEFAULT '{}',   -- when it came into each state, and when it ended there
        UNIQUE (content, config)
    );
    CREATE TABLE recordings (
        name TEXT PRIMARY KEY,              -- relative path in the output folder
        source TEXT NOT NULL,
        size INTEGER,
        modified INTEGER,                   -- nanoseconds
        content TEXT,
        seconds REAL,                       -- length of the audio, probed
        job INTEGER REFERENCES jobs (key),
        written INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX recordings_of_job ON recordings (job);
    CREATE TABLE limits (moment REAL NOT NULL, jobs INTEGER NOT NULL);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    # Why the last try failed.
    "ALTER TABLE recordings ADD COLUMN problem TEXT;",
    # Jobs by service, recordings by identity, files by the job whose transcript is in them.
    migrate_to_identities,
)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteFile:
    """A `Store` in a file.

    Args:
        folder: The output folder; made if it is missing, unless `read_only`.
        read_only: Only read; another process may be writing meanwhile.

    Attributes:
        path: The file.
        connection: None unless it is open.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / JOURNAL_NAME
        self.connection: sqlite3.Connection | None = None
        self._read_only = read_only
        self._lock = FileLock(folder / LOCK_NAME, thread_local=False)
        #: What is cleaned up on closing.
        self._exit = ExitStack()

    def open(self) -> None:
        """See `Store`."""
        try:
            self.connection = self._opened()
        except BaseException:
            self._exit.close()
            self._lock.release()
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._read_only:
            if not self.path.exists():
                raise JournalError(self.path, "there is no journal: no batch was run with this output folder")
            return self._opened_to_look()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise JournalBusy(self.path, self._holder()) from None
        except OSError as error:
            raise JournalError(self.path, error.strerror or str(error)) from error
        connection = self._connect(str(self.path))
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened_to_look(self) -> sqlite3.Connection:
        try:
            connection = self._connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
            if connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
                return connection
            connection.close()
        except JournalCorrupt:
            raise
        except JournalError:
            if not os.access(self.path, os.R_OK) or os.access(self.path.parent, os.W_OK):
                raise
        # An older version has to be migrated, and SQLite can't read a journal in a folder where it can't write: both
        # work on a copy.
        folder = Path(self._exit.enter_context(TemporaryDirectory(prefix="asyncscribe-")))
        try:
            for suffix in ("", "-wal"):
                if (beside := self.path.with_name(self.path.name + suffix)).exists():
                    shutil.copyfile(beside, folder / beside.name)
        except OSError as error:
            raise JournalError(self.path, error.strerror or str(error)) from error
        connection = self._connect(str(folder / self.path.name))
        try:
            with self._translated():
                self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, database: str, *, uri: bool = False) -> sqlite3.Connection:
        with self._translated():
            connection = sqlite3.connect(
                database, uri=uri, timeout=10, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                # The first read of the file: a damaged one is detected here, before anything is paid for.
                problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                version = connection.execute("PRAGMA user_version").fetchone()[0]
            except BaseException:
                connection.close()
                raise
        if problem != "ok":
            connection.close()
            raise JournalCorrupt(self.path, str(problem))
        if version > len(MIGRATIONS):
            connection.close()
            raise JournalError(self.path, f"its version is {version}, which a later asyncscribe wrote: upgrade first")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with self._translated():
            connection.execute("PRAGMA journal_mode=WAL")
            self._migrate(connection)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            holder = f"process {os.getpid()} on {platform.node()} since {now}"
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('holder', ?)", (holder,))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        for version in range(connection.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS)):
            migration = MIGRATIONS[version]
            if isinstance(migration, str):
                connection.executescript(f"BEGIN; {migration} PRAGMA user_version={version + 1}; COMMIT")
                continue
            connection.execute("BEGIN")
            try:
                migration(connection, self.path.parent)
                connection.execute(f"PRAGMA user_version={version + 1}")
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _holder(self) -> str:
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
            try:
                return str(connection.execute("SELECT value FROM facts WHERE name = 'holder'").fetchone()[0])
            finally:
                connection.close()
        return "another process"

    def close(self) -> None:
        """See `Store`."""
        connection, self.connection = self.connection, None
        try:
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        finally:
            self._exit.close()
            self._lock.release()

    def transact(self, works: Sequence[Work[Any]], *, durable: bool) -> list[Any]:
        """See `Store`."""
        connection = self.connection
        if connection is None:
            raise JournalError(self.path, "it is closed")
        with self._translated():
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
            try:
                results = [work(connection) for work in works]
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        return results

    def _translated(self) -> _Translated:
        return _Translated(self.path)


class _Translated:
    """Turns errors of SQLite into those that users see."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, sqlite3.OperationalError):
            raise JournalError(self._path, str(exc)) from exc
        if isinstance(exc, sqlite3.DatabaseError):
            raise JournalCorrupt(self._path, str(exc)) from exc

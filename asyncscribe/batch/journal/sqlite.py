"""The journal of one machine: an SQLite file in the output folder.

`sqlite3` is used on one thread of its own, and a commit is not made for each step: steps wait a moment for others, so
that many jobs at once cost few commits. How long depends on what hangs on a step:

- What is read is read at once.
- That a submission begins, or an upload has ended, is waited for, with the disk synced for the former: it survives the
  loss of power.
- That a job was submitted or has ended is written soon after. If the process is killed before, the submission is looked
  for, or the transcript fetched once more, and nothing is paid again.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import msgspec
from filelock import FileLock, Timeout

from asyncscribe.batch.inputs.naming import fold, variants
from asyncscribe.batch.journal.migration import migrate_to_identities
from asyncscribe.batch.journal.records import Entry, JobRecord, Newcomer, Recording, Step
from asyncscribe.errors import JournalBusy, JournalCorrupt, JournalError
from asyncscribe.models.transcript import TranscriptId

#: The journal's name in the output folder.
JOURNAL_NAME = ".asyncscribe.sqlite3"
LOCK_NAME = ".asyncscribe.lock"
#: Entries read at once when all are read.
PAGE = 500
#: Seconds that a step which is waited for waits for others. At 200 jobs a second, 4 share a commit.
LINGER = 0.02
#: Seconds that other steps wait for one that is waited for.
NOTE_LINGER = 0.1

#: Names like one that are looked at for a recording that has moved.
MOST_ALIKE = 20

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
    # What kept it from being transcribed when that was last tried.
    "ALTER TABLE recordings ADD COLUMN problem TEXT;",
    # Jobs by service, recordings by identity, files by the job that is in them.
    migrate_to_identities,
)

_JOB = (
    "key, service, jobs.content, config, step, audio_url, uploaded, doubtful_url, doubtful_since, ids, reason, "
    "category, audio_seconds, times"
)
_ENTRY = f"identity, name, source, size, modified, recordings.content, seconds, files, problem, {_JOB}"
_JOINED = "recordings LEFT JOIN jobs ON jobs.key = recordings.job"

_STEPS = {step.value: step for step in Step}
_IDS = msgspec.json.Decoder(tuple[TranscriptId, ...])
_TIMES = msgspec.json.Decoder(dict[str, float])
_FILES = msgspec.json.Decoder(dict[str, int])

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteJournal:
    """A journal in a file. An async context manager, which holds the folder as long as it writes.

    Args:
        folder: The output folder; made if it is missing, unless `read_only`.
        read_only: Only look; another process may be writing meanwhile.

    Raises (on entering):
        JournalBusy: Another process works on this folder.
        JournalCorrupt: The file is no journal, or is damaged.
        JournalError: It can't be opened or written.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / JOURNAL_NAME
        self._read_only = read_only
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asyncscribe journal")
        self._lock = FileLock(folder / LOCK_NAME, thread_local=False)
        self._connection: sqlite3.Connection | None = None
        self._service = ""
        #: What has to be undone once it is closed.
        self._exit = ExitStack()
        self._pending: list[tuple[Work[Any], bool, asyncio.Future[Any] | None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._broken: BaseException | None = None
        self._committing: asyncio.Future[list[Any]] | None = None

    async def __aenter__(self) -> Self:
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._flush()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    # On the journal's thread.

    def _open(self) -> None:
        try:
            self._connection = self._opened()
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
        # An older version has to be brought up to date, and SQLite can't read a journal in a folder where it can't
        # write: either is done with a copy.
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
                # The first read of the file; a damaged one is found here and not after something was paid for.
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

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        finally:
            self._exit.close()
            self._lock.release()

    def _commit(self, works: Sequence[Work[Any]], durable: bool) -> list[Any]:
        connection = self._connection
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

    # On the event loop.

    async def _do(self, work: Work[T], *, durable: bool = False, linger: float = 0.0) -> T:
        """Have it done and return its result, once that is committed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._add(work, future, linger, durable=durable)
        return await future

    def _note(self, work: Work[Any]) -> None:
        """Have it done soon.

        Raises:
            JournalError: An earlier note could not be written.
        """
        self._add(work, None, NOTE_LINGER)

    def _add(
        self, work: Work[Any], future: asyncio.Future[Any] | None, linger: float, *, durable: bool = False
    ) -> None:
        if self._broken is not None:
            raise self._broken
        self._pending.append((work, durable, future))
        loop = asyncio.get_running_loop()
        moment = loop.time() + linger
        if self._timer is None or moment < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(moment, self._commit_pending)

    def _commit_pending(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._committing is not None or not self._pending:
            # The end of the commit that is under way comes back to this.
            return
        batch, self._pending = self._pending, []
        works = [work for work, _, _ in batch]
        durable = any(durable for _, durable, _ in batch)
        futures = [future for _, _, future in batch]
        self._committing = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, works, durable)
        self._committing.add_done_callback(lambda done: self._committed(done, futures))

    def _committed(self, done: asyncio.Future[list[Any]], futures: Sequence[asyncio.Future[Any] | None]) -> None:
        self._committing = None
        error = done.exception()
        results = [None] * len(futures) if error else done.result()
        for future, result in zip(futures, results, strict=True):
            if future is None:
                self._broken = error or self._broken
            elif future.done():
                # Cancelled meanwhile: nobody asks.
                continue
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        if any(future is not None for _, _, future in self._pending):
            self._commit_pending()
        elif self._pending and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(NOTE_LINGER, self._commit_pending)

    async def _flush(self) -> None:
        self._commit_pending()
        while self._committing is not None:
            await asyncio.wait([self._committing])
            # Its callback, which may start the next, comes after this task's.
            await asyncio.sleep(0)
            self._commit_pending()

    async def bind(self, service: str, *, lasting: bool) -> None:
        """See `Journal`."""
        self._service = service
        if not lasting:
            await self._do(lambda connection: connection.execute(_FORGET, (service,)))

    async def fact(self, name: str) -> str | None:
        """See `Journal`."""
        query = "SELECT value FROM facts WHERE name = ?"
        row = await self._do(lambda connection: connection.execute(query, (name,)).fetchone())
        return None if row is None else str(row[0])

    async def keep_fact(self, name: str, value: str) -> None:
        """See `Journal`."""
        insert = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        await self._do(lambda connection: connection.execute(insert, (name, value)))

    async def latest_ids(self, service: str, limit: int) -> list[TranscriptId]:
        """See `Journal`."""
        query = "SELECT ids FROM jobs WHERE service = ? AND ids <> '[]' ORDER BY key DESC LIMIT ?"
        rows = await self._do(lambda connection: connection.execute(query, (service, limit)).fetchall())
        return [_IDS.decode(row[0])[-1] for row in rows]

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:
        """See `Journal`."""
        marks = ",".join("?" * len(identities))
        query = f"SELECT {_ENTRY} FROM {_JOINED} WHERE identity IN ({marks})"  # noqa: S608 - question marks only
        rows = await self._do(lambda connection: connection.execute(query, identities).fetchall())
        return {row[0]: _entry(row) for row in rows}

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        """See `Journal`."""
        return await self._do(lambda connection: [_name(connection, newcomer) for newcomer in newcomers])

    async def alike(self, newcomer: Newcomer) -> list[Entry]:
        """See `Journal`."""
        names = [newcomer.name, *islice(variants(newcomer.name), MOST_ALIKE)]
        marks = ",".join("?" * len(names))
        query = f"SELECT {_ENTRY} FROM {_JOINED} WHERE folded IN ({marks})"  # noqa: S608 - question marks only
        folded = [fold(name) for name in names]
        rows = await self._do(lambda connection: connection.execute(query, folded).fetchall())
        return [_entry(row) for row in rows]

    async def name_apart(self, newcomer: Newcomer) -> Entry:
        """See `Journal`."""

        def work(connection: sqlite3.Connection) -> Entry:
            for name in variants(newcomer.name):
                if entry := _name(connection, Newcomer(newcomer.identity, newcomer.source, name)):
                    return entry
            raise AssertionError("there is always another number")

        return await self._do(work)

    async def take_over(self, identity: str, newcomer: Newcomer) -> Entry:
        """See `Journal`."""

        def work(connection: sqlite3.Connection) -> Entry:
            connection.execute(
                "UPDATE recordings SET identity = ?, source = ? WHERE identity = ?",
                (newcomer.identity, newcomer.source, identity),
            )
            entry = _known(connection, newcomer.identity)
            assert entry is not None  # noqa: S101 - tells the type checker that what was just renamed is there
            return entry

        return await self._do(work)

    async def all(self) -> AsyncIterator[Entry]:
        """See `Journal`."""
        query = f"SELECT {_ENTRY} FROM {_JOINED} WHERE name > ? ORDER BY name LIMIT {PAGE}"  # noqa: S608
        last = ""
        while True:
            after = last
            rows = await self._do(lambda connection, after=after: connection.execute(query, (after,)).fetchall())  # type: ignore[misc]
            for row in rows:
                yield _entry(row)
            if len(rows) < PAGE:
                return
            last = rows[-1][1]

    async def assign(self, recordings: Sequence[Recording], config: str) -> list[JobRecord]:
        """See `Journal`."""
        now = _text({"found": round(time.time(), 3)})
        service = self._service
        return await self._do(
            lambda connection: [_assign(connection, recording, service, config, now) for recording in recordings]
        )

    async def keep(self, recording: Recording) -> None:
        """See `Journal`."""
        await self._do(lambda connection: _keep(connection, recording))

    async def uploaded(self, key: int, audio_url: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored, now = _text(times), time.time()
        await self._do(
            lambda connection: _update(
                connection, key, stored, step=Step.UPLOADED.value, audio_url=audio_url, uploaded=now
            ),
            linger=LINGER,
        )

    async def submitting(self, key: int, audio_url: str, since: float, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = _text(times)
        await self._do(
            lambda connection: _update(
                connection,
                key,
                stored,
                step=Step.SUBMITTING.value,
                audio_url=audio_url,
                doubtful_url=audio_url,
                doubtful_since=since,
            ),
            durable=True,
            linger=LINGER,
        )

    async def refused(self, key: int) -> None:
        """See `Journal`."""
        self._note(
            lambda connection: connection.execute(
                "UPDATE jobs SET doubtful_url = NULL, doubtful_since = NULL, step = CASE WHEN ids <> '[]' THEN "
                "'submitted' WHEN uploaded IS NULL THEN 'found' ELSE 'uploaded' END WHERE key = ?",
                (key,),
            )
        )

    async def submitted(self, key: int, transcript_id: TranscriptId, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = _text(times)
        self._note(lambda connection: _add_id(connection, key, transcript_id, stored))

    async def rewriting(self, identity: str, formats: Sequence[str]) -> None:
        """See `Journal`."""
        patch = msgspec.json.encode(dict.fromkeys(formats)).decode()
        query = "UPDATE recordings SET files = json_patch(files, ?) WHERE identity = ?"
        await self._do(lambda connection: connection.execute(query, (patch, identity)), durable=True)

    async def completed(
        self,
        key: int,
        written: Mapping[str, Sequence[str]],
        audio_seconds: float | None,
        times: Mapping[str, float],
    ) -> None:
        """See `Journal`."""
        stored = _text(times)
        files = [(_text(dict.fromkeys(forms, key)), identity) for identity, forms in written.items()]

        def work(connection: sqlite3.Connection) -> None:
            _update(
                connection,
                key,
                stored,
                step=Step.COMPLETED.value,
                reason=None,
                category=None,
                audio_seconds=audio_seconds,
            )
            connection.executemany(
                "UPDATE recordings SET files = json_patch(files, ?), problem = NULL WHERE identity = ?", files
            )

        self._note(work)

    async def failed(self, key: int, reason: str, category: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = _text(times)
        self._note(
            lambda connection: _update(
                connection, key, stored, step=Step.FAILED.value, reason=reason, category=category
            )
        )

    async def timed(self, key: int, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = _text(times)
        self._note(lambda connection: connection.execute("UPDATE jobs SET times = ? WHERE key = ?", (stored, key)))

    async def problem(self, recording: Recording, text: str) -> None:
        """See `Journal`."""
        self._note(
            lambda connection: connection.execute(
                "UPDATE recordings SET problem = ? WHERE identity = ?", (text, recording.identity)
            )
        )

    async def begin_again(self, key: int) -> JobRecord:
        """See `Journal`."""

        def work(connection: sqlite3.Connection) -> JobRecord:
            _update(connection, key, None, step=Step.FOUND.value, reason=None, category=None, ids="[]", audio_url=None)
            return _job(connection.execute(f"SELECT {_JOB} FROM jobs WHERE key = ?", (key,)).fetchone())  # noqa: S608

        return await self._do(work)

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        """See `Journal`."""

        def work(connection: sqlite3.Connection) -> None:
            _add_id(connection, key, transcript_id, None)
            _update(connection, key, None, audio_url=audio_url)

        await self._do(work)

    async def limit(self, moment: float, limit: int) -> None:
        """See `Journal`."""
        self._note(lambda connection: connection.execute("INSERT INTO limits VALUES (?, ?)", (moment, limit)))

    async def limits(self) -> list[tuple[float, int]]:
        """The limits of all runs, oldest first: Unix seconds, jobs."""
        return await self._do(
            lambda connection: connection.execute("SELECT moment, jobs FROM limits ORDER BY moment").fetchall()
        )


class _Translated:
    """Makes errors of SQLite the ones that users see."""

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


#: What an ended service had is begun again; the transcripts that were written are there all the same.
_FORGET = (
    "UPDATE jobs SET audio_url = NULL, uploaded = NULL, doubtful_url = NULL, doubtful_since = NULL, ids = '[]', "
    "step = CASE step WHEN 'completed' THEN step ELSE 'found' END WHERE service = ?"
)


def _known(connection: sqlite3.Connection, identity: str) -> Entry | None:
    row = connection.execute(f"SELECT {_ENTRY} FROM {_JOINED} WHERE identity = ?", (identity,)).fetchone()  # noqa: S608
    return None if row is None else _entry(row)


def _name(connection: sqlite3.Connection, newcomer: Newcomer) -> Entry | None:
    # A name that is there already, or an identity, is left as it is.
    connection.execute(
        "INSERT OR IGNORE INTO recordings (identity, name, folded, source) VALUES (?, ?, ?, ?)",
        (newcomer.identity, newcomer.name, fold(newcomer.name), newcomer.source),
    )
    return _known(connection, newcomer.identity)


def _assign(connection: sqlite3.Connection, recording: Recording, service: str, config: str, times: str) -> JobRecord:
    # The update changes nothing, and makes `RETURNING` give the row that was there.
    row = connection.execute(
        "INSERT INTO jobs (service, content, config, times) VALUES (?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (service, content, config) DO UPDATE SET content = excluded.content "
        f"RETURNING {_JOB.replace('jobs.', '')}",
        (service, recording.content, config, times),
    ).fetchone()
    _keep(connection, recording)
    connection.execute("UPDATE recordings SET job = ?1 WHERE identity = ?2", (row[0], recording.identity))
    return _job(row)


def _keep(connection: sqlite3.Connection, recording: Recording) -> None:
    connection.execute(
        "UPDATE recordings SET source = ?, size = ?, modified = ?, content = ?, seconds = coalesce(?, seconds) "
        "WHERE identity = ?",
        (
            recording.source,
            recording.size,
            recording.modified,
            recording.content,
            recording.seconds,
            recording.identity,
        ),
    )


def _add_id(connection: sqlite3.Connection, key: int, transcript_id: TranscriptId, times: str | None) -> None:
    connection.execute(
        "UPDATE jobs SET ids = json_insert(ids, '$[#]', ?), step = 'submitted', doubtful_url = NULL, "
        "doubtful_since = NULL, times = coalesce(?, times) WHERE key = ?",
        (transcript_id, times, key),
    )


def _update(connection: sqlite3.Connection, key: int, times: str | None, **columns: str | float | None) -> None:
    settings = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(
        f"UPDATE jobs SET {settings}, times = coalesce(?, times) WHERE key = ?",  # noqa: S608 - names of columns
        (*columns.values(), times, key),
    )


def _text(values: Mapping[str, float]) -> str:
    return msgspec.json.encode(values).decode()


def _entry(row: tuple[Any, ...]) -> Entry:
    identity, name, source, size, modified, content, seconds, files, problem = row[:9]
    job = None if row[9] is None else _job(row[9:])
    recording = Recording(identity, name, source, size, modified, content, seconds)
    return Entry(recording, job, _FILES.decode(files) if files != "{}" else {}, problem)


def _job(row: tuple[Any, ...]) -> JobRecord:
    key, service, content, config, step, audio_url, uploaded, url, since, ids, reason, category, seconds, times = row
    return JobRecord(
        key=key,
        service=service,
        content=content,
        config=config,
        step=_STEPS[step],
        audio_url=audio_url,
        uploaded=uploaded,
        doubtful_url=url,
        doubtful_since=since,
        ids=_IDS.decode(ids),
        reason=reason,
        category=category,
        audio_seconds=seconds,
        times=_TIMES.decode(times) if times != "{}" else {},
    )

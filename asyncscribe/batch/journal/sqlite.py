"""The journal of one machine: an SQLite file in the output folder.

`sqlite3` runs on a thread of its own, and not each step is a commit: steps wait a moment for others, so that many jobs
at once cost few commits. How long depends on the step:

- Reads are done at once.
- The start of a submission and the end of an upload are waited for. The former also syncs the disk, so that it survives
  the loss of power.
- The id and the end of a job are written soon after. If the process is killed before, the submission is looked up, or
  the transcript fetched once more, and nothing is paid again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import msgspec

from asyncscribe.batch.inputs.naming import fold, variants
from asyncscribe.batch.journal.commits import LINGER, Committer
from asyncscribe.batch.journal.records import Entry, JobRecord, Newcomer, Recording, SavedState
from asyncscribe.batch.journal.rows import ENTRY, IDS, JOB, JOINED, entry_of, job_of, text_of
from asyncscribe.batch.journal.sqlite_file import JOURNAL_NAME, MIGRATIONS, SqliteFile, Work
from asyncscribe.models.transcript import TranscriptId

#: Entries read at once when all are read.
PAGE = 500
#: Variants of a name that are checked for a recording that has moved.
MOST_ALIKE = 20

__all__ = ["JOURNAL_NAME", "MIGRATIONS", "SqliteJournal"]

T = TypeVar("T")


class SqliteJournal:
    """A journal in a file. An async context manager that holds the folder while it writes.

    Args:
        folder: The output folder; made if it is missing, unless `read_only`.
        read_only: Only read; another process may be writing meanwhile.

    Raises (on entering):
        JournalBusy: Another process works on this folder.
        JournalCorrupt: The file is no journal, or is damaged.
        JournalError: It can't be opened or written.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._file = SqliteFile(folder, read_only=read_only)
        self._committer: Committer[Work[Any]] = Committer(self._file, "asyncscribe journal")
        self._service = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def _connection(self) -> sqlite3.Connection | None:
        return self._file.connection

    async def __aenter__(self) -> Self:
        await self._committer.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._committer.close()

    async def _do(self, work: Work[T], *, durable: bool = False, linger: float = 0.0) -> T:
        """Do it, and return its result once it is committed."""
        return cast(T, await self._committer.do(work, durable=durable, linger=linger))

    def _note(self, work: Work[Any]) -> None:
        """Do it soon."""
        self._committer.note(work)

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
        return [IDS.decode(row[0])[-1] for row in rows]

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:
        """See `Journal`."""
        marks = ",".join("?" * len(identities))
        query = f"SELECT {ENTRY} FROM {JOINED} WHERE identity IN ({marks})"  # noqa: S608 - question marks only
        rows = await self._do(lambda connection: connection.execute(query, identities).fetchall())
        return {row[0]: entry_of(row) for row in rows}

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        """See `Journal`."""
        return await self._do(lambda connection: [_name(connection, newcomer) for newcomer in newcomers])

    async def alike(self, newcomer: Newcomer) -> list[Entry]:
        """See `Journal`."""
        names = [newcomer.name, *islice(variants(newcomer.name), MOST_ALIKE)]
        marks = ",".join("?" * len(names))
        query = f"SELECT {ENTRY} FROM {JOINED} WHERE folded IN ({marks})"  # noqa: S608 - question marks only
        folded = [fold(name) for name in names]
        rows = await self._do(lambda connection: connection.execute(query, folded).fetchall())
        return [entry_of(row) for row in rows]

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
            assert entry is not None  # noqa: S101 - for the type checker: it was renamed just now
            return entry

        return await self._do(work)

    async def all(self) -> AsyncIterator[Entry]:
        """See `Journal`."""
        query = f"SELECT {ENTRY} FROM {JOINED} WHERE name > ? ORDER BY name LIMIT {PAGE}"  # noqa: S608
        last = ""
        while True:
            after = last
            rows = await self._do(lambda connection, after=after: connection.execute(query, (after,)).fetchall())  # type: ignore[misc]
            for row in rows:
                yield entry_of(row)
            if len(rows) < PAGE:
                return
            last = rows[-1][1]

    async def assign(self, recordings: Sequence[Recording], config: str) -> list[JobRecord]:
        """See `Journal`."""
        now = text_of({"found": round(time.time(), 3)})
        service = self._service
        return await self._do(
            lambda connection: [_assign(connection, recording, service, config, now) for recording in recordings]
        )

    async def keep(self, recording: Recording) -> None:
        """See `Journal`."""
        await self._do(lambda connection: _keep(connection, recording))

    async def uploaded(self, key: int, audio_url: str, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored, now = text_of(times), time.time()
        await self._do(
            lambda connection: _update(
                connection, key, stored, step=SavedState.UPLOADED.value, audio_url=audio_url, uploaded=now
            ),
            linger=LINGER,
        )

    async def submitting(self, key: int, audio_url: str, since: float, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = text_of(times)
        await self._do(
            lambda connection: _update(
                connection,
                key,
                stored,
                step=SavedState.SUBMITTING.value,
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
        stored = text_of(times)
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
        stored = text_of(times)
        files = [(text_of(dict.fromkeys(forms, key)), identity) for identity, forms in written.items()]

        def work(connection: sqlite3.Connection) -> None:
            _update(
                connection,
                key,
                stored,
                step=SavedState.COMPLETED.value,
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
        stored = text_of(times)
        self._note(
            lambda connection: _update(
                connection, key, stored, step=SavedState.FAILED.value, reason=reason, category=category
            )
        )

    async def timed(self, key: int, times: Mapping[str, float]) -> None:
        """See `Journal`."""
        stored = text_of(times)
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
            _update(
                connection, key, None, step=SavedState.FOUND.value, reason=None, category=None, ids="[]", audio_url=None
            )
            return job_of(connection.execute(f"SELECT {JOB} FROM jobs WHERE key = ?", (key,)).fetchone())  # noqa: S608

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


#: Jobs of a service that has ended are begun again; the transcripts that were written remain.
_FORGET = (
    "UPDATE jobs SET audio_url = NULL, uploaded = NULL, doubtful_url = NULL, doubtful_since = NULL, ids = '[]', "
    "step = CASE step WHEN 'completed' THEN step ELSE 'found' END WHERE service = ?"
)


def _known(connection: sqlite3.Connection, identity: str) -> Entry | None:
    row = connection.execute(f"SELECT {ENTRY} FROM {JOINED} WHERE identity = ?", (identity,)).fetchone()  # noqa: S608
    return None if row is None else entry_of(row)


def _name(connection: sqlite3.Connection, newcomer: Newcomer) -> Entry | None:
    # A name or identity that exists is left as it is.
    connection.execute(
        "INSERT OR IGNORE INTO recordings (identity, name, folded, source) VALUES (?, ?, ?, ?)",
        (newcomer.identity, newcomer.name, fold(newcomer.name), newcomer.source),
    )
    return _known(connection, newcomer.identity)


def _assign(connection: sqlite3.Connection, recording: Recording, service: str, config: str, times: str) -> JobRecord:
    # The update changes nothing, but makes `RETURNING` give the existing row.
    row = connection.execute(
        "INSERT INTO jobs (service, content, config, times) VALUES (?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (service, content, config) DO UPDATE SET content = excluded.content "
        f"RETURNING {JOB.replace('jobs.', '')}",
        (service, recording.content, config, times),
    ).fetchone()
    _keep(connection, recording)
    connection.execute("UPDATE recordings SET job = ? WHERE identity = ?", (row[0], recording.identity))
    return job_of(row)


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

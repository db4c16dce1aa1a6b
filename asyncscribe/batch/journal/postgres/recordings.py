"""Recordings in a PostgreSQL journal: their names, their files, their jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection

from asyncscribe.batch.inputs.naming import fold, variants
from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.records import Entry, JobRecord, Newcomer, Recording
from asyncscribe.batch.journal.rows import ENTRY, JOB, JOINED, entry_of, job_of

_BY_IDENTITY = f"SELECT {ENTRY} FROM {JOINED} WHERE identity = ANY(%s)"  # noqa: S608 - names of columns
_BY_FOLDED = f"SELECT {ENTRY} FROM {JOINED} WHERE folded = ANY(%s)"  # noqa: S608
_PAGE = f"SELECT {ENTRY} FROM {JOINED} WHERE name > %s ORDER BY name LIMIT %s"  # noqa: S608
_OF_JOBS = f"SELECT {ENTRY} FROM {JOINED} WHERE job = ANY(%s) ORDER BY name"  # noqa: S608

_RANGES = "SELECT DISTINCT key / %s FROM jobs ORDER BY 1"
_IN_RANGE = f"SELECT {ENTRY} FROM {JOINED} WHERE job BETWEEN %s AND %s ORDER BY job, name"  # noqa: S608
_WITHOUT_JOB = f"SELECT {ENTRY} FROM {JOINED} WHERE job IS NULL AND name > %s ORDER BY name LIMIT %s"  # noqa: S608

# A name that is there already, or an identity, is left as it is; the first of several gets it.
_NAME = """
    INSERT INTO recordings (identity, name, folded, source)
    SELECT identity, name, folded, source
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
        AS new (identity, name, folded, source, number)
    ORDER BY number
    ON CONFLICT DO NOTHING
"""
# In order, so that two processes that do the same can't deadlock. Existing rows are neither changed nor locked.
_NEW_JOBS = """
    INSERT INTO jobs (service, content, config, host, times)
    SELECT %s, content, %s, min(host), %s
    FROM unnest(%s::text[], %s::text[]) AS new (content, host) GROUP BY content ORDER BY content
    ON CONFLICT (service, content, config) DO NOTHING
"""
_JOBS = f"SELECT {JOB} FROM jobs WHERE service = %s AND config = %s AND content = ANY(%s)"  # noqa: S608
_SET = "source = new.source, size = new.size, modified = new.modified, content = new.content"
_COLUMNS = ("identity", "source", "size", "modified", "content", "seconds")
_NEW = f"""
    seconds = coalesce(new.seconds, recordings.seconds)
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::float8[])
        AS new ({", ".join(_COLUMNS)})
    WHERE recordings.identity = new.identity
"""
_KEEP = f"UPDATE recordings SET {_SET}, {_NEW}"  # noqa: S608
# A subquery for each, which uses the index; a join may be planned the other way around, through all jobs.
_ASSIGN = f"""
    UPDATE recordings SET {_SET},
        job = (SELECT key FROM jobs WHERE content = new.content AND service = %s AND config = %s), {_NEW}
"""  # noqa: S608


def entries(identities: Sequence[str]) -> Work[dict[str, Entry]]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], dict[str, Entry]]:
        cursor = connection.execute(_BY_IDENTITY, (list(identities),))
        return lambda: {row[0]: entry_of(row) for row in cursor}

    return work


def page(after: str, limit: int) -> Work[list[Entry]]:
    """A page of recordings by name, after a given one."""

    def work(connection: Connection) -> Callable[[], list[Entry]]:
        cursor = connection.execute(_PAGE, (after, limit))
        return lambda: [entry_of(row) for row in cursor]

    return work


def ranges(size: int) -> Work[list[int]]:
    """The numbers of the ranges of `size` keys in which there are jobs."""

    def work(connection: Connection) -> Callable[[], list[int]]:
        cursor = connection.execute(_RANGES, (size,))
        return lambda: [number for (number,) in cursor]

    return work


def in_range(first: int, last: int) -> Work[list[Entry]]:
    """Recordings whose job has one of these keys."""

    def work(connection: Connection) -> Callable[[], list[Entry]]:
        cursor = connection.execute(_IN_RANGE, (first, last))
        return lambda: [entry_of(row) for row in cursor]

    return work


def without_job(after: str, limit: int) -> Work[list[Entry]]:
    """Recordings by name that have no job, those after one."""

    def work(connection: Connection) -> Callable[[], list[Entry]]:
        cursor = connection.execute(_WITHOUT_JOB, (after, limit))
        return lambda: [entry_of(row) for row in cursor]

    return work


def of_jobs(connection: Connection, keys: Sequence[int]) -> dict[int, list[Entry]]:
    """The recordings of jobs, by the job's number."""
    found: dict[int, list[Entry]] = {key: [] for key in keys}
    for entry in map(entry_of, connection.execute(_OF_JOBS, (list(keys),))):
        if entry.job is not None:
            found[entry.job.key].append(entry)
    return found


def name(newcomers: Sequence[Newcomer]) -> Work[list[Entry | None]]:
    """See `Journal`."""
    identities = [newcomer.identity for newcomer in newcomers]
    names = [newcomer.name for newcomer in newcomers]
    sources = [newcomer.source for newcomer in newcomers]

    def work(connection: Connection) -> Callable[[], list[Entry | None]]:
        connection.execute(_NAME, (identities, names, [fold(name) for name in names], sources))
        cursor = connection.execute(_BY_IDENTITY, (identities,))

        def finish() -> list[Entry | None]:
            found = {row[0]: entry_of(row) for row in cursor}
            return [found.get(identity) for identity in identities]

        return finish

    return work


def alike(names: Sequence[str]) -> Work[list[Entry]]:
    """The recordings that have one of these names."""

    def work(connection: Connection) -> Callable[[], list[Entry]]:
        cursor = connection.execute(_BY_FOLDED, ([fold(name) for name in names],))
        return lambda: [entry_of(row) for row in cursor]

    return work


def name_apart(newcomer: Newcomer) -> Work[Entry]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], Entry]:
        for variant in variants(newcomer.name):
            (entry,) = name([Newcomer(newcomer.identity, newcomer.source, variant)])(connection)()
            if entry is not None:
                return lambda entry=entry: entry  # type: ignore[misc]
        raise AssertionError("there is always another number")

    return work


def take_over(identity: str, newcomer: Newcomer) -> Work[Entry]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], Entry]:
        connection.execute(
            "UPDATE recordings SET identity = %s, source = %s WHERE identity = %s",
            (newcomer.identity, newcomer.source, identity),
        )
        found = entries([newcomer.identity])(connection)
        return lambda: found()[newcomer.identity]

    return work


def keep(recordings: Sequence[Recording]) -> Work[None]:
    """Update recordings."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(_KEEP, _columns(recordings))
        return lambda: None

    return work


def _columns(recordings: Sequence[Recording]) -> list[list[object]]:
    return [[getattr(recording, column) for recording in recordings] for column in _COLUMNS]


def assign(
    recordings: Sequence[Recording], service: str, config: str, host: str | None, times: str
) -> Work[list[JobRecord]]:
    """See `Journal`.

    Args:
        recordings: Recordings whose contents are known.
        service: Where the jobs run.
        config: Fingerprint of the configuration.
        host: The only host that can read local files; None if all can.
        times: Times of new jobs.
    """
    contents = [recording.content for recording in recordings]
    hosts = [host if _is_local(recording.identity) else None for recording in recordings]

    def work(connection: Connection) -> Callable[[], list[JobRecord]]:
        connection.execute(_NEW_JOBS, (service, config, times, contents, hosts))
        cursor = connection.execute(_JOBS, (service, config, contents))
        connection.execute(_ASSIGN, (service, config, *_columns(recordings)))

        def finish() -> list[JobRecord]:
            jobs = {job.content: job for job in map(job_of, cursor)}
            return [jobs[str(content)] for content in contents]

        return finish

    return work


def _is_local(identity: str) -> bool:
    return "://" not in identity or identity.startswith("file://")


def rewriting(identity: str, formats: Sequence[str]) -> Work[None]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(
            "UPDATE recordings SET files = (files::jsonb - %s::text[])::text WHERE identity = %s",
            (list(formats), identity),
        )
        return lambda: None

    return work


def problem(identity: str, text: str) -> Work[None]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute("UPDATE recordings SET problem = %s WHERE identity = %s", (text, identity))
        return lambda: None

    return work


def written(connection: Connection, key: int, worker: int, files: Mapping[str, str]) -> None:
    """Record the files of a job, if this worker has finished it."""
    for identity, forms in files.items():
        connection.execute(
            "UPDATE recordings SET files = (files::jsonb || %s::jsonb)::text, problem = NULL WHERE identity = %s "
            "AND EXISTS (SELECT 1 FROM jobs WHERE key = %s AND finisher = %s AND NOT open)",
            (forms, identity, key, worker),
        )

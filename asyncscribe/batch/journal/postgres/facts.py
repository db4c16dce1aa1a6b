"""What a PostgreSQL journal knows about the batch as a whole: facts, limits, budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from psycopg import Connection

from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.records import SavedState
from asyncscribe.batch.journal.rows import IDS
from asyncscribe.models.transcript import TranscriptId

_KEEP_FACT = "INSERT INTO facts VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
#: Jobs of a service that has ended are begun again; the transcripts that were written remain.
_FORGET = """
    UPDATE jobs SET audio_url = NULL, uploaded = NULL, doubtful_url = NULL, doubtful_since = NULL, ids = '[]',
        step = CASE step WHEN 'completed' THEN step ELSE 'found' END
    WHERE service = %s
"""
_LATEST_IDS = "SELECT ids FROM jobs WHERE service = %s AND ids <> '[]' ORDER BY key DESC LIMIT %s"
_COUNTS = "SELECT step, count(*) FROM recordings LEFT JOIN jobs ON jobs.key = recordings.job GROUP BY step"
_ALLOW = "INSERT INTO budgets (run, allowed) VALUES (%s, %s) ON CONFLICT (run) DO UPDATE SET allowed = excluded.allowed"


def _telling(query: str, *values: object) -> Work[None]:
    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(query, values)
        return lambda: None

    return work


def forget(service: str) -> Work[None]:
    """Begin the jobs of a service again, because it has ended."""
    return _telling(_FORGET, service)


def fact(name: str) -> Work[str | None]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], str | None]:
        cursor = connection.execute("SELECT value FROM facts WHERE name = %s", (name,))
        return lambda: next((str(value) for (value,) in cursor), None)

    return work


def keep_fact(name: str, value: str) -> Work[None]:
    """See `Journal`."""
    return _telling(_KEEP_FACT, name, value)


def latest_ids(service: str, limit: int) -> Work[list[TranscriptId]]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], list[TranscriptId]]:
        cursor = connection.execute(_LATEST_IDS, (service, limit))
        return lambda: [IDS.decode(ids)[-1] for (ids,) in cursor]

    return work


def limit(moment: float, jobs: int) -> Work[None]:
    """See `Journal`."""
    return _telling("INSERT INTO limits VALUES (%s, %s)", moment, jobs)


def limits() -> Work[list[tuple[float, int]]]:
    """All limits, oldest first."""

    def work(connection: Connection) -> Callable[[], list[tuple[float, int]]]:
        cursor = connection.execute("SELECT moment, jobs FROM limits ORDER BY moment")
        return lambda: [(moment, jobs) for moment, jobs in cursor]

    return work


def allow(run: str, seconds: float) -> Work[None]:
    """Set how many seconds of audio a run may submit."""
    return _telling(_ALLOW, run, seconds)


def allowance(run: str) -> Work[tuple[float, float] | None]:
    """Seconds of audio that a run may submit, and those that it has."""

    def work(connection: Connection) -> Callable[[], tuple[float, float] | None]:
        cursor = connection.execute("SELECT allowed::float8, taken::float8 FROM budgets WHERE run = %s", (run,))
        return lambda: next(((allowed, taken) for allowed, taken in cursor), None)

    return work


def counts() -> Work[Counter[SavedState | None]]:
    """How many recordings there are by the last step of their job; None stands for no job."""

    def work(connection: Connection) -> Callable[[], Counter[SavedState | None]]:
        cursor = connection.execute(_COUNTS)
        return lambda: Counter({None if step is None else SavedState(step): number for step, number in cursor})

    return work

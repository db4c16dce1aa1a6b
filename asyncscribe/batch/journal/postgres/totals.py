"""The totals of a PostgreSQL journal, counted by the database: a million recordings need not be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from psycopg import Connection

from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.records import SavedState
from asyncscribe.batch.journal.totals import MOST_REASONS, Totals

#: How many of the newest jobs count for the detection.
NEWEST = 10_000

# These queries read everything, so the full scans that others must avoid (`connection._SETTINGS`) are right here.
_READ_ALL = "SELECT set_config('enable_seqscan', 'on', TRUE), set_config('enable_hashjoin', 'on', TRUE)"
_RECORDINGS = "SELECT step, count(*) FROM recordings JOIN jobs ON job = key GROUP BY step"
_WITHOUT_JOB = "SELECT count(*), count(problem) FROM recordings WHERE job IS NULL"
_PROBLEMS = """
    SELECT count(*) FROM recordings JOIN jobs ON job = key WHERE problem IS NOT NULL AND step <> 'failed'
"""
# Each id is in two quotation marks: counting those takes a tenth of the time of parsing the JSON.
_JOBS = """
    SELECT coalesce(sum(audio_seconds) FILTER (WHERE step = 'completed'), 0)::float8, coalesce(sum(ids), 0),
        coalesce(sum(greatest(ids - 1, 0)), 0)
    FROM (SELECT step, audio_seconds, (length(ids) - length(replace(ids, '"', ''))) / 2 AS ids FROM jobs) AS counted
"""
_FAILURES = "SELECT coalesce(category, 'unknown'), count(*) FROM jobs WHERE step = 'failed' GROUP BY 1"
_REASONS = f"""
    SELECT name, coalesce(CASE WHEN step = 'failed' THEN reason END, problem, 'no reason given') FROM recordings
    LEFT JOIN jobs ON job = key WHERE step = 'failed' OR problem IS NOT NULL ORDER BY name LIMIT {MOST_REASONS}
"""  # noqa: S608 - a number
_DETECTED = f"""
    SELECT count(*), coalesce(sum((times::json ->> 'completed')::float8 - (times::json ->> 'ended')::float8), 0)
    FROM (SELECT times FROM jobs WHERE NOT open ORDER BY key DESC LIMIT {NEWEST}) AS newest
    WHERE times::json ->> 'ended' IS NOT NULL AND times::json ->> 'completed' IS NOT NULL
"""  # noqa: S608


def totals() -> Work[Totals]:
    """Count."""

    def work(connection: Connection) -> Callable[[], Totals]:
        connection.execute(_READ_ALL)
        recordings, alone, problems, jobs, failures, reasons, detected = [
            connection.execute(query)
            for query in (_RECORDINGS, _WITHOUT_JOB, _PROBLEMS, _JOBS, _FAILURES, _REASONS, _DETECTED)
        ]

        def finish() -> Totals:
            by_step = Counter[str](dict(recordings.fetchall()))
            without_job, problems_alone = _row(alone)
            pending = without_job + by_step.pop(SavedState.FOUND.value, 0)
            seconds, submissions, resubmissions = _row(jobs)
            noticed, after = _row(detected)
            return Totals(
                by_step,
                pending,
                problems_alone + _row(problems)[0],
                seconds,
                int(submissions),
                int(resubmissions),
                noticed,
                after,
                Counter(dict(failures.fetchall())),
                dict(reasons.fetchall()),
            )

        return finish

    return work


def _row(cursor: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = cursor.fetchone()
    return row or (0, 0, 0)

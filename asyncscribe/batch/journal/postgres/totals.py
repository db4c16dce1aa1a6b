"""What a PostgreSQL journal adds up to, counted where it is: a million recordings need not travel for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from asyncscribe.batch.journal.postgres.connection import Work

#: Failures that are told with their reasons.
MOST_REASONS = 20
#: The newest jobs, whose detection is looked at.
NEWEST = 10_000

# Everything is read here: what the other queries must not do (`connection._SETTINGS`) is right.
_READ_ALL = "SELECT set_config('enable_seqscan', 'on', TRUE), set_config('enable_hashjoin', 'on', TRUE)"
_RECORDINGS = "SELECT step, count(*) FROM recordings JOIN jobs ON job = key GROUP BY step"
_WITHOUT_JOB = "SELECT count(*) FILTER (WHERE problem IS NULL), count(problem) FROM recordings WHERE job IS NULL"
_PROBLEMS = """
    SELECT count(*) FROM recordings JOIN jobs ON job = key WHERE problem IS NOT NULL AND step <> 'failed'
"""
# Each id stands in two quotation marks: counting those takes a tenth of reading the JSON.
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


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of a batch; see `report.summary.Summary`, which has the same for any journal.

    Attributes:
        recordings: All of them, by the step of their job.
        waiting: Those that have no job yet.
        problems: Those that are tried again next time.
        audio_seconds: Length of what was transcribed.
        submissions: Of all jobs.
        resubmissions: Of those, the ones after a failure.
        detected: Of the newest jobs, those of which it is known when they ended.
        detection_seconds: How long after that this was noticed, all together.
        failures: Failed jobs by kind.
        reasons: Why the first recordings failed, by name.
    """

    recordings: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    problems: int = 0
    audio_seconds: float = 0.0
    submissions: int = 0
    resubmissions: int = 0
    detected: int = 0
    detection_seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)


def totals() -> Work[Totals]:
    """Count."""

    def work(connection: Connection) -> Callable[[], Totals]:
        connection.execute(_READ_ALL)
        recordings, alone, problems, jobs, failures, reasons, detected = [
            connection.execute(query)
            for query in (_RECORDINGS, _WITHOUT_JOB, _PROBLEMS, _JOBS, _FAILURES, _REASONS, _DETECTED)
        ]

        def finish() -> Totals:
            waiting, without = _row(alone)
            seconds, submissions, resubmissions = _row(jobs)
            noticed, after = _row(detected)
            return Totals(
                Counter(dict(recordings.fetchall())),
                waiting,
                without + _row(problems)[0],
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

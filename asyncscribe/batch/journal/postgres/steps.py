"""The steps of jobs in a PostgreSQL journal, each done only by the worker that has the job.

All are idempotent, because a lost answer leaves open whether a step was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import Connection, Cursor

from asyncscribe.batch.journal.postgres import recordings
from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.records import JobRecord
from asyncscribe.batch.journal.rows import JOB, job_of
from asyncscribe.errors import AllowanceSpent, LeaseLost
from asyncscribe.models.transcript import TranscriptId

#: A finished job has no owner, but its finisher may still write to it until another worker takes it.
_MINE = "(owner = %(worker)s OR (owner IS NULL AND finisher = %(worker)s AND NOT open))"

_LOCK = "SELECT 1 FROM jobs WHERE key = %(key)s AND owner = %(worker)s FOR UPDATE"
_UPLOADED = """
    UPDATE jobs SET step = 'uploaded', audio_url = %(url)s, uploaded = extract(epoch FROM clock_timestamp()),
        times = %(times)s
    WHERE key = %(key)s AND owner = %(worker)s
"""
_SUBMITTING = """
    UPDATE jobs SET step = 'submitting', audio_url = %(url)s, doubtful_url = %(url)s, doubtful_since = %(since)s,
        freed = NULL, times = %(times)s
    WHERE key = %(key)s AND owner = %(worker)s
"""
_REFUSED = """
    UPDATE jobs SET doubtful_url = NULL, doubtful_since = NULL, freed = NULL, step = CASE WHEN ids <> '[]' THEN
        'submitted' WHEN uploaded IS NULL THEN 'found' ELSE 'uploaded' END
    WHERE key = %(key)s AND owner = %(worker)s
"""
_ADD_ID = """
    UPDATE jobs SET step = 'submitted', doubtful_url = NULL, doubtful_since = NULL, freed = NULL,
        ids = CASE WHEN ids::jsonb @> to_jsonb(%(id)s::text) THEN ids
            ELSE (ids::jsonb || to_jsonb(%(id)s::text))::text END,
        audio_url = CASE WHEN %(adopted)s THEN %(url)s ELSE audio_url END,
        times = coalesce(%(times)s, times)
    WHERE key = %(key)s AND owner = %(worker)s
"""
# If the worker has lost the job, the id that was paid for is kept as a stray.
_SUBMITTED = f"""
    WITH done AS ({_ADD_ID} RETURNING key), stray AS (
        INSERT INTO strays SELECT %(key)s, %(id)s, %(worker)s WHERE NOT EXISTS (SELECT 1 FROM done)
        ON CONFLICT DO NOTHING
    )
    SELECT 1 FROM done
"""  # noqa: S608 - no values
_COMPLETED = f"""
    UPDATE jobs SET step = 'completed', reason = NULL, category = NULL, audio_seconds = %(seconds)s,
        times = %(times)s, owner = NULL, finisher = %(worker)s
    WHERE key = %(key)s AND {_MINE}
"""  # noqa: S608
_FAILED = f"""
    UPDATE jobs SET step = 'failed', reason = %(reason)s, category = %(category)s, times = %(times)s, owner = NULL,
        finisher = %(worker)s
    WHERE key = %(key)s AND {_MINE}
"""  # noqa: S608
_TIMED = f"UPDATE jobs SET times = %(times)s WHERE key = %(key)s AND {_MINE}"  # noqa: S608
_BEGIN_AGAIN = f"""
    UPDATE jobs SET step = 'found', reason = NULL, category = NULL, ids = '[]', audio_url = NULL
    WHERE key = %(key)s AND owner = %(worker)s
        AND (%(before)s::bigint IS NULL OR step <> 'failed' OR finisher IS NULL OR finisher < %(before)s)
    RETURNING {JOB}
"""  # noqa: S608

_UNPAID = """
    SELECT 1 FROM jobs WHERE key = %(key)s AND owner = %(worker)s
        AND (step = 'failed' OR (ids = '[]' AND doubtful_url IS NULL)) FOR UPDATE
"""
_RELEASE = """
    UPDATE jobs SET owner = NULL, freed = extract(epoch FROM clock_timestamp())
    WHERE key = %(key)s AND owner = %(worker)s
"""

_COUNTED = "SELECT counted, budget FROM jobs WHERE key = %(key)s AND owner = %(worker)s FOR UPDATE"
_TAKE = """
    UPDATE budgets SET taken = taken + more FROM
        (SELECT round(%(seconds)s::numeric, 3) - CASE WHEN budget = %(run)s THEN counted ELSE 0 END AS more
            FROM jobs WHERE key = %(key)s) AS wanted
    WHERE run = %(run)s AND (more <= 0 OR (taken < allowed AND taken + more <= allowed))
    RETURNING 1
"""
_GIVE_BACK = """
    UPDATE budgets SET taken = taken - counted FROM jobs
    WHERE run = budget AND counted > 0 AND key = %(key)s AND owner = %(worker)s AND run IS DISTINCT FROM %(run)s
"""
_COUNT = "UPDATE jobs SET counted = round(%(seconds)s::numeric, 3), budget = %(run)s WHERE key = %(key)s"
_BOUND = "UPDATE jobs SET bound = %(bound)s WHERE key = %(key)s"
_LEFT = """
    SELECT (allowed - taken + CASE WHEN jobs.budget = run THEN counted ELSE 0 END)::float8
    FROM budgets, jobs WHERE run = %(run)s AND key = %(key)s AND owner = %(worker)s FOR UPDATE
"""
_BOUNDS = "SELECT 1 FROM jobs WHERE owner IS NOT NULL AND open AND budget = %(run)s AND bound LIMIT 1"
_NOT_COUNTED = """
    UPDATE jobs SET counted = 0, budget = NULL, bound = FALSE
    WHERE key = %(key)s AND owner = %(worker)s AND counted > 0
"""
_SETTLE = f"""
    WITH job AS (SELECT key, counted, budget FROM jobs WHERE key = %(key)s AND {_MINE} FOR UPDATE), given AS (
        UPDATE budgets SET taken = taken - counted + round(%(seconds)s::numeric, 3) FROM job WHERE run = budget
    )
    UPDATE jobs SET counted = round(%(seconds)s::numeric, 3), bound = FALSE FROM job
    WHERE jobs.key = job.key AND jobs.budget <> ''
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Fence:
    """A job, and the worker that must have it.

    Attributes:
        place: The journal, as errors name it.
        key: The job.
        worker: The worker.
    """

    place: str
    key: int
    worker: int

    def values(self, **more: object) -> dict[str, object]:
        """The parameters of a step's statement."""
        return {"key": self.key, "worker": self.worker, **more}

    def passed(self, cursor: Cursor[object]) -> Callable[[], None]:
        """A function that raises unless a statement changed the job."""

        def finish() -> None:
            if cursor.rowcount < 1:
                raise self.lost()

        return finish

    def lost(self) -> LeaseLost:
        """The error that the job belongs to another worker, or to nobody."""
        return LeaseLost(self.place, f"worker {self.worker} does not have job {self.key} any more")


@dataclass(frozen=True, slots=True)
class Reservation:
    """A job's part of a budget.

    Attributes:
        seconds: Seconds of audio that were taken; None if they don't fit.
        may_fit_later: Whether other jobs may give back a part of what is reserved for them.
    """

    seconds: float | None
    may_fit_later: bool = False


def uploaded(fence: Fence, url: str, times: str) -> Work[None]:
    """See `Journal`."""
    return lambda connection: fence.passed(connection.execute(_UPLOADED, fence.values(url=url, times=times)))


def submitting(fence: Fence, url: str, since: float, times: str) -> Work[None]:
    """See `Journal`."""
    values = fence.values(url=url, since=since, times=times)
    return lambda connection: fence.passed(connection.execute(_SUBMITTING, values))


def submitting_at_cost(
    fence: Fence, url: str, since: float, times: str, run: str, seconds: float, *, is_bound: bool
) -> Work[None]:
    """The same, if it fits the budget of a run. What the job took from another budget is given back."""
    values = fence.values(run=run)

    def refuse() -> None:
        raise AllowanceSpent(run, seconds)

    def refuse_lost() -> None:
        raise fence.lost()

    def work(connection: Connection) -> Callable[[], None]:
        if connection.execute(_COUNTED, values).fetchone() is None:
            return refuse_lost
        if _take(connection, fence, run, seconds, is_bound=is_bound) is None:
            return refuse
        return submitting(fence, url, since, times)(connection)

    return work


def refused(fence: Fence) -> Work[None]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], None]:
        _give_back(connection, fence)
        return fence.passed(connection.execute(_REFUSED, fence.values()))

    return work


def submitted(fence: Fence, transcript_id: TranscriptId, times: str) -> Work[None]:
    """See `Journal`."""
    values = fence.values(id=transcript_id, times=times, adopted=False, url=None)
    return lambda connection: fence.passed(connection.execute(_SUBMITTED, values))


def adopt(fence: Fence, transcript_id: TranscriptId, url: str | None) -> Work[None]:
    """See `Journal`."""
    values = fence.values(id=transcript_id, times=None, adopted=True, url=url)
    return lambda connection: fence.passed(connection.execute(_ADD_ID, values))


def completed(fence: Fence, files: Mapping[str, str], seconds: float | None, times: str) -> Work[None]:
    """See `Journal`."""

    def work(connection: Connection) -> Callable[[], None]:
        finish = fence.passed(connection.execute(_COMPLETED, fence.values(seconds=seconds, times=times)))
        recordings.written(connection, fence.key, fence.worker, files)
        return finish

    return work


def failed(fence: Fence, reason: str, category: str, times: str) -> Work[None]:
    """See `Journal`. A failed job takes nothing from a budget."""

    def work(connection: Connection) -> Callable[[], None]:
        _give_back(connection, fence)
        values = fence.values(reason=reason, category=category, times=times)
        return fence.passed(connection.execute(_FAILED, values))

    return work


def timed(fence: Fence, times: str) -> Work[None]:
    """See `Journal`. For the record: nothing is lost if another worker has the job by now."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(_TIMED, fence.values(times=times))
        return lambda: None

    return work


def begin_again(fence: Fence, before: int | None = None) -> Work[JobRecord | None]:
    """See `Journal`; None if it failed at a worker with a number of at least `before`."""

    def work(connection: Connection) -> Callable[[], JobRecord | None]:
        mine = connection.execute(_LOCK, fence.values())
        cursor = connection.execute(_BEGIN_AGAIN, fence.values(before=before))

        def finish() -> JobRecord | None:
            if mine.fetchone() is None:
                raise fence.lost()
            row = cursor.fetchone()
            return None if row is None else job_of(row)

        return finish

    return work


def release(fence: Fence) -> Work[None]:
    """Give up a job, so that others can have it. What was reserved for it is given back."""

    def work(connection: Connection) -> Callable[[], None]:
        # A job that was submitted, or may have been, may still cost something.
        if connection.execute(_UNPAID, fence.values()).fetchone() is not None:
            _give_back(connection, fence)
        connection.execute(_RELEASE, fence.values())
        return lambda: None

    return work


def reserve(fence: Fence, run: str, seconds: float, *, is_bound: bool) -> Work[Reservation]:
    """Take a job's part of a budget before it is submitted.

    Args:
        fence: The job.
        run: Whose budget.
        seconds: Of audio.
        is_bound: `seconds` is only an upper bound; any rest of the budget is enough.
    """
    values = fence.values(run=run)

    def refuse_lost() -> Reservation:
        raise fence.lost()

    def work(connection: Connection) -> Callable[[], Reservation]:
        if connection.execute(_COUNTED, values).fetchone() is None:
            return refuse_lost
        if (takes := _take(connection, fence, run, seconds, is_bound=is_bound)) is not None:
            return lambda: Reservation(takes)
        # The budget's row is locked until the commit: nobody gives back in between.
        may_shrink = connection.execute(_BOUNDS, values).fetchone() is not None
        return lambda: Reservation(None, may_fit_later=may_shrink)

    return work


def _take(connection: Connection, fence: Fence, run: str, seconds: float, *, is_bound: bool) -> float | None:
    """Take a job's part of a budget, whose row is locked until the commit; None if it does not fit."""
    values = fence.values(run=run, bound=is_bound)
    row = connection.execute(_LEFT, values).fetchone()
    left = 0.0 if row is None else float(row[0])
    takes = min(seconds, left) if is_bound else seconds
    if left <= 0 or connection.execute(_TAKE, values | {"seconds": takes}).fetchone() is None:
        return None
    connection.execute(_GIVE_BACK, values)
    connection.execute(_COUNT, values | {"seconds": takes})
    connection.execute(_BOUND, values)
    return takes


def settle(fence: Fence, seconds: float) -> Work[None]:
    """Correct what a job took from a budget to its actual seconds."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(_SETTLE, fence.values(seconds=seconds))
        return lambda: None

    return work


def _give_back(connection: Connection, fence: Fence) -> None:
    # The job's row is locked first, so that it is not freed in between.
    connection.execute(_LOCK, fence.values())
    connection.execute(_GIVE_BACK, fence.values(run=None))
    connection.execute(_NOT_COUNTED, fence.values())

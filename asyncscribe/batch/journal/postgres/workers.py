"""Who works on a PostgreSQL journal, and who has which job.

A worker renews its lease. Once the lease is over, the others mark it as ended and free its jobs. Its number is never
given twice, and every step of a job checks it (`steps.Fence`): steps of a worker that was believed dead are refused.
All times are by the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from psycopg import Connection

from asyncscribe.batch.journal.postgres.connection import Work
from asyncscribe.batch.journal.postgres.recordings import of_jobs
from asyncscribe.batch.journal.records import Entry, JobRecord
from asyncscribe.batch.journal.rows import IDS, JOB, job_of
from asyncscribe.errors import LeaseLost
from asyncscribe.models.transcript import TranscriptId


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker has now.

    Attributes:
        job: The job.
        entries: The recordings whose present job it is.
        lost_at: When the lease of its previous worker ended, Unix seconds of the database's clock; None if it had none,
            or no submission is in doubt.
        lost_ago: Seconds since then, by the same clock. Until then that worker may have sent a submission.
    """

    job: JobRecord
    entries: tuple[Entry, ...] = ()
    lost_at: float | None = None
    lost_ago: float | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A worker that is alive.

    Attributes:
        id: Its number.
        name: Its name in lists.
        host: Where it runs.
        expires: Seconds until its lease ends, unless it is renewed.
        jobs: How many unfinished jobs it has.
    """

    id: int
    name: str
    host: str
    expires: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A transcript that was paid for by a worker that had lost the job.

    Attributes:
        job: The job.
        id: The service's id of the transcript.
        worker: The worker.
    """

    job: int
    id: TranscriptId
    worker: int


_IS_ALIVE = "NOT ended AND expires > clock_timestamp()"
_JOIN = """
    INSERT INTO workers (name, host, expires) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
    RETURNING id
"""
_RENEW = f"""
    UPDATE workers SET expires = clock_timestamp() + make_interval(secs => %s) WHERE id = %s AND {_IS_ALIVE}
    RETURNING 1
"""  # noqa: S608 - no values
# A beat never waits long for what a process has locked that is stopped: the next one ends that process's transaction.
_PATIENCE = "SELECT set_config('lock_timeout', '1s', TRUE)"
_COUNT = f"SELECT count(*) FROM workers WHERE {_IS_ALIVE}"  # noqa: S608
# A process that stops in mid-transaction keeps its locks, and with them its jobs. In a pipeline the database does not
# count that as idle, so `idle_in_transaction_session_timeout` does not end it.
_END_STUCK = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
        AND application_name = current_setting('application_name') AND wait_event = 'ClientRead'
        AND xact_start IS NOT NULL
        AND greatest(query_start, state_change) < clock_timestamp() - make_interval(secs => %s)
"""
# A worker whose claim is being committed is left to the next beat.
_MARK = """
    WITH expired AS (
        SELECT id FROM workers WHERE NOT ended AND expires <= clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED
    )
    UPDATE workers SET ended = TRUE FROM expired WHERE workers.id = expired.id
"""
# All ended workers, not only those just marked: a claim may be committed after its worker was marked.
_FREE = """
    WITH lost AS (
        SELECT job.*, expires FROM workers CROSS JOIN LATERAL (
            SELECT key, counted, budget, ids = '[]' AND doubtful_url IS NULL AS unpaid
            FROM jobs WHERE owner = workers.id AND open FOR UPDATE SKIP LOCKED
        ) AS job WHERE ended
    ), given AS (
        UPDATE budgets SET taken = taken - back FROM (
            SELECT budget, sum(counted) AS back FROM lost WHERE unpaid AND counted > 0 GROUP BY budget
        ) AS reserved WHERE run = reserved.budget
    )
    UPDATE jobs SET owner = NULL, freed = extract(epoch FROM expires),
        counted = CASE WHEN unpaid THEN 0 ELSE jobs.counted END,
        budget = CASE WHEN unpaid THEN NULL ELSE jobs.budget END,
        bound = jobs.bound AND NOT unpaid
    FROM lost WHERE jobs.key = lost.key
"""
_LEAVE = """
    UPDATE workers SET ended = TRUE, expires = least(expires, clock_timestamp()) WHERE id = %s AND NOT ended
"""
# The worker's own row is locked until the commit, so that nobody marks it as ended meanwhile.
_LOCK = f"SELECT 1 FROM workers WHERE id = %s AND {_IS_ALIVE} FOR SHARE"  # noqa: S608
_RESULT = f"""
    RETURNING {JOB}, CASE WHEN doubtful_since IS NOT NULL THEN freed END,
        CASE WHEN doubtful_since IS NOT NULL THEN extract(epoch FROM clock_timestamp())::float8 - freed END
"""
_CLAIM = f"""
    UPDATE jobs SET owner = %(worker)s
    WHERE key IN (
        SELECT key FROM jobs WHERE owner IS NULL AND open AND service = %(service)s
            AND (%(config)s::text IS NULL OR config = %(config)s)
            AND (host IS NULL OR host = %(host)s OR audio_url IS NOT NULL)
            AND (%(below)s::text[] IS NULL
                OR EXISTS (SELECT 1 FROM unnest(%(below)s::text[]) AS prefix WHERE starts_with(content, prefix)))
            AND (%(but)s::bigint[] IS NULL OR key <> ALL(%(but)s::bigint[]))
            AND (NOT %(paid)s OR ids <> '[]' OR doubtful_url IS NOT NULL)
        ORDER BY key + 0 LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    {_RESULT}
"""  # noqa: S608
_CLAIM_KEYS = f"""
    UPDATE jobs SET owner = %(worker)s
    WHERE key IN (
        SELECT key FROM jobs WHERE key = ANY(%(keys)s) AND (owner IS NULL OR owner = %(worker)s OR (NOT open
            AND EXISTS (SELECT 1 FROM workers WHERE id = owner AND ended)))
        ORDER BY key FOR UPDATE SKIP LOCKED
    )
    {_RESULT}
"""  # noqa: S608
_UNKNOWN = "SELECT key FROM jobs WHERE owner = %(worker)s AND open AND key <> ALL(%(known)s) LIMIT %(limit)s"
_ALIVE = f"""
    SELECT id, name, workers.host, extract(epoch FROM expires - clock_timestamp())::float8, count(key)
    FROM workers LEFT JOIN jobs ON owner = id AND open WHERE {_IS_ALIVE} GROUP BY id ORDER BY id
"""  # noqa: S608
_OTHERS_WORK = """
    SELECT EXISTS (SELECT 1 FROM jobs WHERE owner <> %(worker)s AND open AND service = %(service)s
        AND config = %(config)s
        AND EXISTS (SELECT 1 FROM unnest(%(below)s::text[]) AS prefix WHERE starts_with(content, prefix)))
"""
_NEWEST = "SELECT coalesce(max(id), 0) FROM workers"
_OLDEST = f"SELECT coalesce(min(id), 0) FROM workers WHERE {_IS_ALIVE}"  # noqa: S608
_STRAYS = "SELECT job, id, worker, ids FROM strays JOIN jobs ON key = job ORDER BY job, id"


def join(name: str, host: str, lease: float) -> Work[int]:
    """Join; the result is the worker's number."""

    def work(connection: Connection) -> Callable[[], int]:
        cursor = connection.execute(_JOIN, (name, host, lease))
        return lambda: _first(cursor.fetchone())

    return work


def renew(worker: int, lease: float) -> Work[int]:
    """Renew a worker's lease from now on. The result is how many workers are alive; 0 if this one is not."""

    def work(connection: Connection) -> Callable[[], int]:
        connection.execute(_PATIENCE)
        renewed = connection.execute(_RENEW, (lease, worker))
        alive = connection.execute(_COUNT)
        return lambda: 0 if renewed.fetchone() is None else _first(alive.fetchone())

    return work


def end_stuck(lease: float) -> Work[None]:
    """End the transactions of processes that have said nothing for a lease."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(_END_STUCK, (lease,))
        return lambda: None

    return work


def reap() -> Work[int]:
    """Mark workers whose lease is over, and free the jobs of ended ones; the result is how many jobs were freed."""

    def work(connection: Connection) -> Callable[[], int]:
        connection.execute(_PATIENCE)
        connection.execute(_MARK)
        freed = connection.execute(_FREE)
        return lambda: freed.rowcount

    return work


def leave(worker: int) -> Work[None]:
    """Leave, and free the worker's jobs."""

    def work(connection: Connection) -> Callable[[], None]:
        connection.execute(_LEAVE, (worker,))
        connection.execute(_FREE)
        return lambda: None

    return work


@dataclass(frozen=True, slots=True)
class Selection:
    """Which free jobs are wanted.

    Attributes:
        config: Fingerprint of their configuration; None for any.
        below: Prefixes of their content, of which one must match; None for any content.
        but: Keys of jobs that are not wanted.
        paid_only: Only jobs that were submitted, or may have been.
    """

    config: str | None = None
    below: Sequence[str] | None = None
    but: Collection[int] = ()
    paid_only: bool = False

    def values(self) -> dict[str, object]:
        """The parameters of the statements."""
        below = None if self.below is None else list(self.below)
        return {"config": self.config, "below": below, "but": list(self.but) or None, "paid": self.paid_only}


ANY = Selection()


@dataclass(slots=True)
class Claiming:
    """A claim of free jobs, which can be repeated if its answer is lost.

    Attributes:
        place: The journal, as errors name it.
        worker: Who claims.
        service: Where the jobs run.
        wanted: Which of them.
        host: The host whose local files can be read.
        limit: How many jobs at most.
        known: The jobs that the worker knows it has.
        is_sure: Whether it has no others. It may, from a claim whose answer was lost.
    """

    place: str
    worker: int
    service: str
    wanted: Selection
    host: str | None
    limit: int
    known: Collection[int]
    is_sure: bool = True

    def __call__(self, connection: Connection) -> Callable[[], list[Claim]]:
        """See `Work`."""
        values = {"worker": self.worker, "service": self.service, "host": self.host}
        values |= self.wanted.values()
        if connection.execute(_LOCK, (self.worker,)).fetchone() is None:
            return _refusing(self.place, self.worker)
        found: list[Claim] = []
        if not self.is_sure:
            query = {"worker": self.worker, "known": list(self.known), "limit": self.limit}
            keys = [row[0] for row in connection.execute(_UNKNOWN, query)]
            found = _claims(connection, connection.execute(_CLAIM_KEYS, values | {"keys": keys}).fetchall())
        self.is_sure = False
        more = connection.execute(_CLAIM, values | {"limit": self.limit - len(found)}).fetchall()
        found.extend(_claims(connection, more))
        return lambda: found


def claim_keys(place: str, worker: int, keys: Sequence[int]) -> Work[list[Claim]]:
    """Claim certain jobs; the result is those that the worker has now, also finished ones."""

    def work(connection: Connection) -> Callable[[], list[Claim]]:
        if connection.execute(_LOCK, (worker,)).fetchone() is None:
            return _refusing(place, worker)
        found = _claims(connection, connection.execute(_CLAIM_KEYS, {"worker": worker, "keys": list(keys)}).fetchall())
        return lambda: found

    return work


def alive() -> Work[list[Member]]:
    """The workers whose lease is not over."""

    def work(connection: Connection) -> Callable[[], list[Member]]:
        cursor = connection.execute(_ALIVE)
        return lambda: [Member(*row) for row in cursor]

    return work


def newest() -> Work[int]:
    """The highest number of any worker."""

    def work(connection: Connection) -> Callable[[], int]:
        cursor = connection.execute(_NEWEST)
        return lambda: _first(cursor.fetchone())

    return work


def oldest() -> Work[int]:
    """The lowest number of a worker whose lease is not over; 0 if there is none."""

    def work(connection: Connection) -> Callable[[], int]:
        cursor = connection.execute(_OLDEST)
        return lambda: _first(cursor.fetchone())

    return work


def others_work(worker: int, service: str, wanted: Selection) -> Work[bool]:
    """Whether another worker has an unfinished job of these."""
    values = {"worker": worker, "service": service} | wanted.values()

    def work(connection: Connection) -> Callable[[], bool]:
        cursor = connection.execute(_OTHERS_WORK, values)
        return lambda: bool(_first(cursor.fetchone()))

    return work


def strays() -> Work[list[Stray]]:
    """Transcripts that were paid for by a worker that had lost the job, and belong to no job."""

    def work(connection: Connection) -> Callable[[], list[Stray]]:
        cursor = connection.execute(_STRAYS)
        # A transcript that the new owner of its job has adopted is no stray.
        return lambda: [Stray(job, id_, worker) for job, id_, worker, ids in cursor if id_ not in IDS.decode(ids)]

    return work


def _claims(connection: Connection, rows: Sequence[tuple[object, ...]]) -> list[Claim]:
    jobs = sorted(((job_of(row[:-2]), row[-2], row[-1]) for row in rows), key=lambda one: one[0].key)
    entries = of_jobs(connection, [job.key for job, _, _ in jobs]) if jobs else {}
    return [
        Claim(job, tuple(entries[job.key]), lost_at, lost_ago)  # type: ignore[arg-type]
        for job, lost_at, lost_ago in jobs
    ]


def _refusing(place: str, worker: int) -> Callable[[], list[Claim]]:
    def finish() -> list[Claim]:
        raise LeaseLost(place, f"worker {worker} can claim no jobs any more")

    return finish


def _first(row: tuple[int, ...] | None) -> int:
    return 0 if row is None else row[0]

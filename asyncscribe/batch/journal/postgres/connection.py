"""The connection to a PostgreSQL journal, renewed when it breaks, and its transactions, each in one pipeline.

The address of a database holds a password. So no error shows it, nor what the driver says about it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from asyncscribe.batch.journal.commits import Away, Refusal
from asyncscribe.batch.journal.postgres.schema import check, keep_timeline, prepare
from asyncscribe.errors import AsyncscribeError, JournalError
from asyncscribe.masking import Secret

_log = logging.getLogger("asyncscribe")

#: Defaults of the address: a database that has vanished is noticed within half a minute, the length of a lease.
DEFAULTS: dict[str, str | int] = {
    "application_name": "asyncscribe",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: Errors after which the same transaction can succeed: broken connections, deadlocks, a server that shuts down, starts,
#: has no connection left or has become a copy (25006, 55000).
_PASSING = re.compile(r"08...|40001|40P01|57P0.|53300|55000|25006|25P03")
#: The timeline is unavailable: asking is not allowed, or the database only resembles PostgreSQL.
_NOT_TOLD = re.compile(r"42501|42883|0A000")

#: A transaction that stops half-way holds its locks no longer than a lease. Durable commits keep a setting of the
#: database that is stricter than `on`. Lookups are forced onto indexes, because the planner knows too little of tables
#: that have just grown from nothing and would read all of them (200 recordings took 5 s).
_SETTINGS = """
    SELECT set_config('idle_in_transaction_session_timeout', '30s', TRUE),
        set_config('synchronous_commit', CASE WHEN NOT %s THEN 'off'
            WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, TRUE),
        set_config('enable_seqscan', 'off', TRUE), set_config('enable_hashjoin', 'off', TRUE),
        set_config('enable_mergejoin', 'off', TRUE), set_config('jit', 'off', TRUE)
"""
_TIMELINE = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"

T = TypeVar("T")
#: A step: sends its statements, and returns a function that makes the result from their answers. An error which that
#: function raises reaches only the step's own caller.
Work = Callable[[Connection], Callable[[], T]]


class PostgresStore:
    """A `Store` in a PostgreSQL database.

    Args:
        dsn: Its address.
        read_only: Only read.
        renew: Whether a copy that took the database's place is accepted.

    Attributes:
        place: Host and name of the database, as errors show them.
    """

    def __init__(self, dsn: str, *, read_only: bool = False, renew: bool = False) -> None:
        self.place, self._dsn = _read(dsn)
        self._read_only = read_only
        self._renew = renew
        self._connection: Connection | None = None

    # On the journal's thread.

    def open(self) -> None:
        """See `Store`."""
        try:
            self._connection = self._connected()
        except _Passing as passing:
            raise passing.error from None

    def close(self) -> None:
        """See `Store`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def transact(self, works: Sequence[Work[Any]], *, durable: bool) -> list[Any]:
        """See `Store`."""
        try:
            if self._connection is None:
                self._connection = self._connected()
            return self._transact(self._connection, works, durable=durable)
        except _Passing as passing:
            if self._connection is not None:
                _log.warning("%s", passing.error)
            self.close()
            raise Away(passing.error) from None

    def _transact(self, connection: Connection, works: Sequence[Work[Any]], *, durable: bool) -> list[Any]:
        try:
            finishes = in_transaction(connection, works, durable=durable, read_only=self._read_only)
        except (psycopg.Error, UnicodeError) as error:
            translated = self.translated(error, connection)
            if isinstance(translated, _Passing) or len(works) == 1:
                raise translated from None
            # One of them can't be done: only that one is to fail.
            return [self._alone(connection, work, durable=durable) for work in works]
        return [_finished(finish) for finish in finishes]

    def _alone(self, connection: Connection, work: Work[Any], *, durable: bool) -> Any:
        try:
            return self._transact(connection, [work], durable=durable)[0]
        except JournalError as error:
            return Refusal(error)

    def _connected(self) -> Connection:
        connection = self.connect()
        try:
            with _Translated(self, connection):
                if self._read_only:
                    check(connection, self.place)
                else:
                    prepare(connection, self.place)
                    keep_timeline(connection, self.place, _timeline(connection), renew=self._renew)
        except BaseException:
            connection.close()
            raise
        self._renew = False
        return connection

    # On any thread.

    def connect(self) -> Connection:
        """Another connection.

        Raises:
            JournalError: It can't be made.
        """
        try:
            connection = psycopg.connect(self._dsn, autocommit=True)
            _suit_pooler(connection)
        except psycopg.Error as error:
            problem = _of_connecting(error)
        else:
            return connection
        raise _Passing(self.place, problem)

    def translated(self, error: Exception, connection: Connection | None) -> JournalError:
        """A driver's error as users see it; a `_Passing` if a retry can succeed."""
        problem = problem_of(error)
        broken = connection is not None and connection.closed
        state = getattr(error, "sqlstate", None) or ""
        passing = broken or (_PASSING.fullmatch(state) and not (self._read_only and state == "25006"))
        return _Passing(self.place, problem) if passing else JournalError(self.place, problem)


class _Passing(JournalError):
    """A retry can succeed."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.error = JournalError(place, problem)


class _Translated:
    def __init__(self, store: PostgresStore, connection: Connection) -> None:
        self._store = store
        self._connection = connection

    def __enter__(self) -> None:
        return None

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if isinstance(exc, psycopg.Error):
            raise self._store.translated(exc, self._connection) from None


def in_transaction(
    connection: Connection, works: Sequence[Work[Any]], *, durable: bool, read_only: bool = False
) -> list[Callable[[], Any]]:
    """Do all works in one transaction, and return the functions that make their results after the commit.

    Unless a step reads an answer half-way, everything is sent at once: one round trip.
    """
    try:
        with connection.pipeline():
            connection.execute("BEGIN READ ONLY" if read_only else "BEGIN")
            connection.execute(_SETTINGS, (durable,))
            finishes = [work(connection) for work in works]
            connection.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        raise
    return finishes


def _finished(finish: Callable[[], Any]) -> Any:
    try:
        return finish()
    except AsyncscribeError as error:
        return Refusal(error)


def _suit_pooler(connection: Connection) -> None:
    """Do without prepared statements behind a pooler such as PgBouncer, which gives each transaction another session.

    They save a quarter of the time. A pooler is known by the process number that it makes up.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        connection.prepare_threshold = None


def _timeline(connection: Connection) -> str | None:
    try:
        row = connection.execute(_TIMELINE).fetchone()
    except psycopg.Error as error:
        if _NOT_TOLD.fullmatch(error.sqlstate or ""):
            return None
        raise
    return None if row is None else str(row[0])


def _read(dsn: str) -> tuple[str, Secret]:
    """Host and name of the database, and its address with the defaults."""
    given: dict[str, Any] | None = None
    with suppress(psycopg.Error):
        given = conninfo_to_dict(dsn)
    if given is None:
        # Outside the handler, because the driver's error quotes the address.
        raise JournalError("database", "its address can't be read; give postgresql://user:password@host/name")
    more = {name: value for name, value in DEFAULTS.items() if name not in given}
    host = str(given.get("host") or given.get("hostaddr") or "")
    shown = "" if host.startswith("/") else host
    return f"postgresql://{shown}/{given.get('dbname') or ''}", Secret(make_conninfo(dsn, **more))


def problem_of(error: Exception) -> str:
    """What a driver's error says, in one line."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return told or next(iter(str(error).splitlines()), type(error).__name__)


def _of_connecting(error: psycopg.Error) -> str:
    """Why no connection could be made, without the name of the user."""
    line = (str(error).splitlines() or [""])[0]
    reason = re.sub(r"^(FATAL|ERROR): +", "", line.rpartition(" failed: ")[2])
    return f"no connection could be made: {re.sub(r'user .[^ ]*', 'the user', reason) or type(error).__name__}"

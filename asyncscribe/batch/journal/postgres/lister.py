"""One process at a time lists recordings: the holder of an advisory lock.

The lock belongs to a transaction and not to a session, because PgBouncer shares sessions. A process that hangs does not
keep it for ever: the database ends a transaction that is idle for too long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from zlib import crc32

import anyio
import psycopg
from psycopg import Connection

from asyncscribe.batch.journal.postgres.connection import PostgresStore
from asyncscribe.batch.journal.postgres.schema import LISTER_LOCK
from asyncscribe.errors import JournalError

_log = logging.getLogger("asyncscribe")

_SILENCE = "SELECT set_config('idle_in_transaction_session_timeout', '30s', TRUE)"
_TRY = "SELECT pg_try_advisory_xact_lock(%s::int, %s::int)"


@asynccontextmanager
async def listing(store: PostgresStore, name: str, ping: float) -> AsyncGenerator[bool, None]:
    """Try to take the lock for the block; yields whether this process has it.

    Args:
        store: Makes connections.
        name: What is listed.
        ping: Seconds between two pings, which keep the transaction alive.
    """
    loop = asyncio.get_running_loop()
    connection: Connection | None = None
    with anyio.CancelScope(shield=True):
        try:
            connection = await loop.run_in_executor(None, _try, store, name)
        except JournalError as error:
            # Another one may list; should it be the database that is away, the next step says so.
            _log.warning("%s", error)
    if connection is None:
        yield False
        return
    pinging = asyncio.create_task(_ping(connection, ping))
    try:
        yield True
    finally:
        pinging.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([pinging])
            await loop.run_in_executor(None, connection.close)


def _try(store: PostgresStore, name: str) -> Connection | None:
    connection = store.connect()
    try:
        connection.execute("BEGIN")
        connection.execute(_SILENCE)
        row = connection.execute(_TRY, (LISTER_LOCK, crc32(name.encode()) - 2**31)).fetchone()
    except psycopg.Error as error:
        connection.close()
        raise store.translated(error, None) from None
    if row is not None and row[0]:
        return connection
    connection.close()
    return None


async def _ping(connection: Connection, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        # Without the connection the lock is gone: another process may list recordings too, and will find the same.
        with suppress(psycopg.Error), anyio.CancelScope(shield=True):
            await asyncio.get_running_loop().run_in_executor(None, connection.execute, "SELECT 1")

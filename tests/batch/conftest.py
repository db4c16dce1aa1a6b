"""Databases for the tests of a shared journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from asyncscribe.batch.journal.postgres.connection import PostgresStore
from tests.batch.postgres import Postgres, programs, started


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    yield from started()


@pytest.fixture(scope="session")
def prepared(postgres) -> str:
    """A database with the journal's tables, to be copied."""
    dsn = postgres.database()
    store = PostgresStore(dsn)
    store.open()
    store.close()
    return dsn.split("dbname=")[1].split()[0]


@pytest.fixture
def empty(postgres) -> str:
    """The address of a database without anything in it."""
    return postgres.database()


@pytest.fixture
def dsn(postgres, prepared) -> str:
    """The address of a journal's database."""
    return postgres.database(prepared)


@pytest.fixture
async def fragile(postgres) -> AsyncIterator[Postgres]:
    """A server of its own, which the test stops."""
    server = Postgres(programs())
    try:
        await asyncio.to_thread(server.make)
        yield server
    finally:
        server.remove()

"""Fixtures for tests of programs that use asyncscribe: a plugin that pytest finds (`-p no:asyncscribe_pytest`: not).

It stands beside the package: pytest always imports its plugins, and only tests that use a fixture are to load the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asyncscribe import AsyncClient
    from asyncscribe.testing import Server, SyncServer


def _async_fixture(function: Callable[..., AsyncIterator[object]]) -> Any:
    try:
        import pytest_asyncio
    except ImportError:
        # The plugin of anyio runs it.
        return pytest.fixture(function)
    return pytest_asyncio.fixture(function)


@_async_fixture
async def asyncscribe_server() -> AsyncIterator[Server]:
    """A server of AssemblyAI's API in the test's event loop; `on` and `then` script its transcripts."""
    from asyncscribe.testing import Server

    async with Server() as server:
        yield server


@_async_fixture
async def asyncscribe_client(asyncscribe_server: Server) -> AsyncIterator[AsyncClient]:
    """An open `AsyncClient` of `asyncscribe_server` with quick schedules."""
    async with asyncscribe_server.client() as client:
        yield client


@pytest.fixture
def asyncscribe_sync_server() -> Iterator[SyncServer]:
    """The same server in a thread of its own, for tests without an event loop; its jobs end at once."""
    from asyncscribe.testing import SyncServer

    with SyncServer() as server:
        yield server


@pytest.fixture
def asyncscribe_environment(asyncscribe_sync_server: SyncServer, monkeypatch: pytest.MonkeyPatch) -> SyncServer:
    """`asyncscribe_sync_server`, where clients find it that are made without key and address."""
    from asyncscribe.settings import ADDRESS_NAME, KEY_NAME

    monkeypatch.setenv(KEY_NAME, asyncscribe_sync_server.api_key)
    monkeypatch.setenv(ADDRESS_NAME, asyncscribe_sync_server.base_url)
    return asyncscribe_sync_server

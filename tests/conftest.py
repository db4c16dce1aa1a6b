"""What many tests need: a clean environment, a server, a client, and the proof that nothing was left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from asyncscribe import AsyncClient
from asyncscribe.events import Event
from asyncscribe.server import LocalServer
from tests.support import KEY, open_client

# Started in the background of a shell, the tests would ignore Ctrl-C, and with them all programs that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each core: the tests wait half of their time. The long ones measure memory, and keep the cores busy."""
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "long" else 2 * cores


@pytest.fixture(scope="session", autouse=True)
def loop_of_the_main_thread() -> Iterator[None]:
    """pytest-asyncio asks for the thread's loop, which Python 3.11 then makes and nobody closes: this one is closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path_factory, monkeypatch) -> Iterator[None]:
    """No key, no `.env`, and a folder for temporary files that has to be empty in the end."""
    for name in list(os.environ):
        if name.startswith("ASSEMBLYAI_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    left = [path.name for path in temporary.iterdir() if path.name.startswith("asyncscribe")]
    assert not left, f"temporary files were left: {left}"


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """After the test there is no task and no connection that was not there before."""
    tasks = asyncio.all_tasks()
    connections = _connections()
    yield
    # Transports close in the loop's next rounds.
    for _ in range(5):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    if left:
        # aiohttp's server lingers where it has answered before it had read all.
        _, left = await asyncio.wait(left, timeout=1)
    assert not left, f"tasks were left: {left}"
    assert not _connections() - connections, "connections were left"


def _connections() -> set[tuple[object, ...]]:
    return {
        (connection.fd, connection.laddr, connection.raddr)
        for connection in psutil.Process().net_connections("inet")
        if connection.status in {psutil.CONN_ESTABLISHED, psutil.CONN_LISTEN}
    }


@pytest.fixture
async def server(nothing_left) -> AsyncIterator[LocalServer]:
    """The local server with the simulated engine, two jobs at once."""
    async with LocalServer(limit=2, api_key=KEY) as running:
        yield running


@pytest.fixture
def events() -> list[Event]:
    """What `client` told, in order."""
    return []


@pytest.fixture
async def client(server, events) -> AsyncIterator[AsyncClient]:
    """A client of `server` with quick schedules."""
    async with open_client(server, on_event=events.append) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path) -> Path:
    """Recordings of unusual names, two of them alike but for the suffix; silence for the simulated engine."""
    root = tmp_path / "in"
    for number, name in enumerate(["a.mp3", "a.wav", "-dash.wav", "with space.wav", "Straße/日本語.ogg"]):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 3_200)
    return root

"""The example services as processes of their own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp

from asyncscribe.server import LocalServer, SimulatedEngine
from tests.support import KEY, ROOT, plain_environment

DEADLINE = 15.0


class HeldEngine(SimulatedEngine):
    """Jobs end at once, but those of an URL with `held`, and of uploads if `uploads` is set: when they are released."""

    def __init__(self) -> None:
        super().__init__(speed=0)
        self.released = asyncio.Event()
        self.uploads = False

    async def transcribe(self, recording):
        if "held" in recording.url or (self.uploads and "/upload/" in recording.url):
            await self.released.wait()
        return await super().transcribe(recording)


class Program:
    """A process whose standard error is read by lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.errors: list[str] = []
        self._come = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.process.stderr:
            self.errors.append(line.decode())
            self._come.set()
        self._come.set()

    async def says(self, text: str) -> str:
        """The first line on standard error with a text."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for line in self.errors:
                    if text in line:
                        return line
                assert not self._reading.done(), f"it ended without {text!r}: {''.join(self.errors)}"
                self._come.clear()
                await self._come.wait()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit code, with all that it said read."""
        async with asyncio.timeout(DEADLINE):
            await self._reading
            return await self.process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()


async def started(server: LocalServer | str, *arguments: str, **environment: str) -> Program:
    """An example as a process that knows a server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={
            **plain_environment(),
            "PYTHONPATH": str(ROOT),
            "ASSEMBLYAI_API_KEY": KEY,
            "ASSEMBLYAI_BASE_URL": server if isinstance(server, str) else server.base_url,
            **environment,
        },
    )
    return Program(process)


@asynccontextmanager
async def http_to(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service on this machine."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as http:
        yield http


async def until(condition, what: str) -> None:
    """Look until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not (condition() if not asyncio.iscoroutinefunction(condition) else await condition()):
            await asyncio.sleep(0.02)

"""`LocalServer`: the API on a loopback port for as long as a context lasts."""

from __future__ import annotations

import ssl
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from asyncscribe.server import app
from asyncscribe.server.account import Account
from asyncscribe.server.clock import Clock
from asyncscribe.server.engines.base import Engine
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.faults import Faults
from asyncscribe.server.rates import Rate, RateLimit
from asyncscribe.server.service import Record, Service
from asyncscribe.server.storage import LARGEST_TOTAL, LARGEST_UPLOAD, Storage

#: The limit of a free account.
DEFAULT_LIMIT = 5
LOOPBACK = "127.0.0.1"
#: Bytes read from a connection at once; large, for uploads.
READ_BYTES = 1024 * 1024


class LocalServer:
    """A server of the API in this process, for tests, demos and development.

        async with LocalServer() as server:
            async with AsyncClient(api_key=server.api_key, base_url=server.base_url) as client:
                ...

    Args:
        engine: Turns recordings into words; default: the simulated one.
        limit: Jobs that run at once; others are queued.
        api_key: The only key that is accepted; None accepts any.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        largest_upload: Bytes of the largest upload.
        largest_total: Bytes of all uploads that are kept.
        redaction_seconds: Seconds after a transcript's completion until its redacted audio is ready.
        rate_limit: Requests that are accepted; others are answered with 429. None accepts all.
        list_lag: Seconds until a new transcript appears in the list; by its id it is found at once.
        clock_ahead: Seconds by which its clock is ahead of this machine's.
        ssl_context: Its certificate and key, to serve HTTPS.

    Attributes:
        faults: Answers that are to fail.
        requests: Counts of requests by method and route.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        api_key: str | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        largest_upload: int = LARGEST_UPLOAD,
        largest_total: int = LARGEST_TOTAL,
        redaction_seconds: float = 0.0,
        rate_limit: RateLimit | None = None,
        list_lag: float = 0.0,
        clock_ahead: float = 0.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self._api_key = api_key
        self._host = host
        self._port = port
        self._ssl = ssl_context
        self._storage = Storage(largest_upload, largest_total)
        self._rate = Rate(rate_limit)
        self._service = Service(
            engine or SimulatedEngine(),
            Account(limit),
            self._storage,
            redaction_seconds=redaction_seconds,
            list_lag=list_lag,
            clock=Clock(clock_ahead),
        )
        self._runner: web.AppRunner | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._service)
            stack.push_async_callback(self.faults.close)
            application = app.build(
                self._service,
                self._storage,
                faults=self.faults,
                rate=self._rate,
                requests=self.requests,
                api_key=self._api_key,
            )
            # Short, so that hanging requests are cancelled at the end. (To aiohttp, 0 means no time limit.)
            runner = web.AppRunner(
                application, access_log=None, shutdown_timeout=0.1, lingering_time=0.5, read_bufsize=READ_BYTES
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            stack.callback(self.faults.release)
            await web.TCPSite(runner, self._host, self._port, ssl_context=self._ssl).start()
            self._runner = runner
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner = None
        await self._open.aclose()

    @property
    def api_key(self) -> str:
        """A key that the server accepts."""
        return self._api_key or "local"

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._runner is None:
            raise RuntimeError("the server is not running: use it in `async with LocalServer(...) as server:`")
        return int(self._runner.addresses[0][1])

    @property
    def base_url(self) -> str:
        """The address for clients."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._ssl else 'http'}://{host}:{self.port}"

    @property
    def records(self) -> list[Record]:
        """All transcripts in the order of their creation: the truth to compare a client's view with."""
        return self._service.records

    @property
    def rate_limited(self) -> int:
        """Requests that were answered with 429 because of the rate limit."""
        return self._rate.refused

    def set_limit(self, limit: int) -> None:
        """Change the number of jobs that run at once."""
        self._service.set_limit(limit)

    def set_list_lag(self, seconds: float) -> None:
        """Change how long a new transcript is missing from the list, for existing and future ones."""
        self._service.list_lag = seconds

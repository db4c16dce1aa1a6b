"""One attempt at one request: aiohttp, the key, timeouts, and whether any byte may have been sent."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import anyio
import msgspec
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from asyncscribe.api import protocol
from asyncscribe.api.clock import ServiceClock
from asyncscribe.api.network import Network
from asyncscribe.api.protocol import Request
from asyncscribe.api.streams import Body, Progress, StallGuard, read_answer
from asyncscribe.api.translation import TRANSLATED, translate
from asyncscribe.errors import NotOpen, ServiceError, TransportError, UnreadableAnswer, UploadStalled
from asyncscribe.masking import Secret, masked
from asyncscribe.settings import Settings, Timeouts

#: Most bytes of a download yielded at once.
DOWNLOAD_BYTES = 1024 * 1024

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Custody(Protocol[T_contra]):
    """Tracks a request that may cost money, so that its outcome is known whatever happens."""

    def shielded(self) -> AbstractContextManager[object]:
        """A section around one attempt that no cancellation cuts off."""
        ...

    async def leaving(self) -> None:
        """Awaited when there is a connection to write to. An exception stops the attempt."""
        ...

    def permit(self) -> None:
        """Called right before the first byte is written: no await lies in between, and no other task runs.

        An exception stops the attempt, of which nothing was sent.
        """
        ...

    def answered(self, answer: T_contra) -> None:
        """Called with the answer as soon as it is read: nothing is awaited in between."""
        ...

    def failed(self, error: ServiceError) -> None:
        """Called with the error of a failed attempt."""
        ...

    def cut_off(self, request: str) -> ServiceError:
        """The error for an attempt that was cut off after all."""
        ...


@dataclass(slots=True)
class ConnectionStatistics:
    """What was sent so far.

    Attributes:
        requests: Attempts, failed ones included.
        hidden_repeats: Requests that aiohttp sent again by itself, because a kept connection turned out to be dead.
        connections: Connections that were made; all other requests reused one.
        bytes_uploaded: Bytes handed to connections by uploads.
    """

    requests: int = 0
    hidden_repeats: int = 0
    connections: int = 0
    bytes_uploaded: int = 0


@dataclass(slots=True)
class _Attempt:
    """How far one attempt got: aiohttp does not report whether the service can have acted."""

    custody: Custody[Any] | None
    on_repeat: Callable[[], None]
    #: Whether aiohttp has made a request object, which reports when it is written.
    made: bool = False
    #: Whether a byte of it may have been written.
    left: bool = False
    #: What the custody raised instead of letting it be written.
    refusal: BaseException | None = None

    async def leave(self) -> None:
        if self.left:
            self.on_repeat()
        elif self.custody is not None:
            await self.custody.leaving()
        self.left = True

    def permit(self) -> None:
        if self.custody is not None:
            try:
                self.custody.permit()
            except BaseException as error:
                self.refusal = error
                raise


_attempt: ContextVar[_Attempt | None] = ContextVar("asyncscribe attempt", default=None)


class _Guarded(aiohttp.BytesPayload):
    """A body that asks before it is written.

    aiohttp writes it in a task of its own, which on Python 3.11 begins one turn of the loop after `send`, or much
    later if the process is stopped in between. The headers are written together with it.
    """

    def __init__(self, value: bytes, attempt: _Attempt) -> None:
        super().__init__(value, content_type="application/json")
        self._attempt = attempt

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._attempt.permit()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._attempt.permit()
        await super().write_with_length(writer, content_length)


class _Request(aiohttp.ClientRequest):
    """Reports when it is written. Tracing would cost 30 µs a request, and does not report that."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if (attempt := _attempt.get()) is not None:
            attempt.made = True

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        attempt = _attempt.get()
        if attempt is not None:
            await attempt.leave()
        return await super().send(conn)


class Connection:
    """Sends requests to one host with one key, each once. An async context manager.

    Uploads have separate sockets: a hundred slow ones must not hold up status requests.

    Args:
        settings: Address and key.
        timeouts: When to give up a silent connection.
        network: How the service is reached.
        on_repeat: Called when aiohttp sends a request again by itself.
    """

    def __init__(
        self,
        settings: Settings,
        timeouts: Timeouts | None = None,
        *,
        network: Network | None = None,
        on_repeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._base = URL(settings.base_url)
        self._base_path = self._base.raw_path.rstrip("/")
        self._key = Secret(settings.api_key.get_secret_value())
        self._timeouts = timeouts or Timeouts()
        self._request_timeout = self._timeout(total=self._timeouts.request)
        self._upload_timeout = self._timeout(total=None)
        self._network = network or Network()
        self._headers: Mapping[str, str] = {**self._network.headers, "Authorization": self._key}
        self._json_headers = {**self._headers, "Content-Type": "application/json"}
        self._on_repeat = on_repeat
        self._requests: aiohttp.ClientSession | None = None
        self._uploads: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._exit = AsyncExitStack()
        self._now: Callable[[], float] = lambda: asyncio.get_running_loop().time()
        self.clock = ServiceClock()
        self.statistics = ConnectionStatistics()

    def __repr__(self) -> str:
        return f"<Connection {self._settings.base_url} {'open' if self._requests else 'closed'}>"

    async def __aenter__(self) -> Self:
        self._proxy = self._network.proxy_for(self._settings.base_url)
        # Bound once, because it is called for every answer.
        self._now = asyncio.get_running_loop().time
        async with AsyncExitStack() as stack:
            self._requests = await stack.enter_async_context(self._network.open(_Request, self._socket))
            self._uploads = await stack.enter_async_context(self._network.open(_Request, self._socket))
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._requests = self._uploads = None
        await self._exit.aclose()

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        self.statistics.connections += 1
        family, kind, number, _, _ = address
        return socket.socket(family, kind, number)

    def _timeout(self, *, total: float | None) -> aiohttp.ClientTimeout:
        connect = self._timeouts.connect
        return aiohttp.ClientTimeout(total=total, connect=connect, sock_connect=connect, sock_read=self._timeouts.idle)

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._requests is not None

    async def exchange(
        self,
        request: Request[T],
        body: Body | None = None,
        progress: Progress | None = None,
        *,
        custody: Custody[T] | None = None,
    ) -> T:
        """Send a request once and return the parsed answer.

        Args:
            request: What to send.
            body: The bytes of an upload.
            progress: Called with how many bytes were handed to the connection.
            custody: Notified when the request leaves and when it is answered.

        Raises:
            ServiceError: There was no answer, or an error.
            SourceError: The body could not be read.
        """
        self.statistics.requests += 1
        attempt = _Attempt(custody, self._repeated)
        token = _attempt.set(attempt)
        try:
            if body is not None:
                return await self._upload(request, attempt, body, progress)
            headers, data = self._headers, None
            if request.json is not None:
                headers, data = self._json_headers, _Guarded(msgspec.json.encode(request.json, enc_hook=str), attempt)
            return await self._send(request, attempt, self._requests, headers, data, self._request_timeout)
        finally:
            _attempt.reset(token)
            # Timers copy the context and keep it for a minute, even when cancelled; through the custody they would
            # keep the job and its transcript alive.
            attempt.custody = None

    def _repeated(self) -> None:
        self.statistics.hidden_repeats += 1
        self._on_repeat()

    async def _send(
        self,
        request: Request[T],
        attempt: _Attempt,
        session: aiohttp.ClientSession | None,
        headers: Mapping[str, str],
        data: _Guarded | StallGuard | None,
        timeout: aiohttp.ClientTimeout,
    ) -> T:
        if session is None:
            raise NotOpen
        answers: list[T] = []
        problem: BaseException | None = None
        try:
            async with session.request(
                request.method,
                self._address(request),
                data=data,
                headers=headers,
                timeout=timeout,
                # A redirect could lead the key to another host.
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._network.ssl_context or True,
            ) as response:
                answers.append(self._read(request, response, await read_answer(request, response)))
                if attempt.custody is not None:
                    attempt.custody.answered(answers[0])
        except TRANSLATED as error:
            # An answer that was read counts, whatever happens to its connection.
            left = attempt.left or not attempt.made
            problem = None if answers else attempt.refusal or translate(request, error, left=left)
        if problem is not None:
            # Raised out here, it has neither cause nor context.
            raise problem
        return answers[0]

    def _address(self, request: Request[Any]) -> URL:
        # Built from parts, because parsing each request's address again takes longer than everything else here.
        url = self._base.with_path(self._base_path + request.path, encoded=True)
        return url.with_query(request.query) if request.query else url

    def _read(self, request: Request[T], response: aiohttp.ClientResponse, content: bytes) -> T:
        self.clock.observe(response.headers.get("Date"), self._now())
        if response.status >= 300 or response.status == 202:
            now = datetime.now(UTC)
            raise protocol.api_error(request, response.status, response.headers, self._without_key(content), now=now)
        try:
            return request.read(request, content)
        except UnreadableAnswer:
            if self._without_key(content) == content:
                raise
        # The error quotes the answer, so it is raised from an answer without the key.
        return request.read(request, self._without_key(content))

    def _without_key(self, content: bytes) -> bytes:
        return content.replace(self._key.encode(), b"***")

    async def _upload(self, request: Request[T], attempt: _Attempt, body: Body, progress: Progress | None) -> T:
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        if body.size is not None:
            headers["Content-Length"] = str(body.size)
        stream: StallGuard | None = None
        with anyio.CancelScope() as scope:
            async with body.open() as chunks:
                stream = StallGuard(chunks, scope, self._timeouts.stall, progress)
                problem: Exception | None = None
                try:
                    return await self._send(request, attempt, self._uploads, headers, stream, self._upload_timeout)
                except TransportError as error:
                    problem = stream.error or error
                finally:
                    self.statistics.bytes_uploaded += stream.sent
                raise problem
        sent = stream.sent if stream else 0
        raise UploadStalled(str(request), f"nothing was taken for {self._timeouts.stall:g} s, after {sent} bytes")

    @asynccontextmanager
    async def download(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes behind a foreign URL, such as a presigned one. The key is not sent there.

        Raises:
            ServiceError: The bytes are unavailable.
        """
        request = protocol.Request("GET", masked(url), protocol.read_text)
        if self._uploads is None:
            raise NotOpen
        proxy = self._network.proxy_for(url)
        problem: TransportError | None = None
        try:
            address = URL(url, encoded=True)
            async with self._uploads.get(address, timeout=self._upload_timeout, proxy=proxy) as response:
                if response.status >= 300:
                    body = await response.content.read(protocol.LONGEST_MESSAGE)
                    raise protocol.api_error(request, response.status, response.headers, body, now=datetime.now(UTC))
                yield response.content.iter_chunked(DOWNLOAD_BYTES)
        except TRANSLATED as error:
            problem = translate(request, error)
        if problem is not None:
            raise problem

    def clock_ahead(self) -> float | None:
        """Seconds by which the service's clock is ahead of this machine's; None while it is unknown."""
        return self.clock.ahead(self._now(), time.time())

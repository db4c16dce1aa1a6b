"""The one place that sends: phase timeouts, retries, pauses, aiohttp's errors translated, the key added.

A `Transport` knows nothing of jobs. It sends a `Request`, with a body stream if it is an upload, and returns the JSON
document of the answer, or raises a `ServiceError`.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar, overload

import aiohttp
import anyio
from yarl import URL

from asyncscribe.api import protocol
from asyncscribe.api.protocol import Request
from asyncscribe.errors import (
    ConnectFailed,
    ConnectionLost,
    NotOpen,
    ServiceError,
    ServiceTimeout,
    TransportError,
    UnreadableAnswer,
    UploadStalled,
)
from asyncscribe.events import EventHandler, RequestRetried, RequestsPaused, ignore
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.budget import HttpBudget, RetryBudget, TokenBucket, stretch
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.settings import Settings, Timeouts
from asyncscribe.version import __version__

_log = logging.getLogger("asyncscribe")

#: Idle sockets are closed after this many seconds. Shorter than the 60 s of the usual load balancer, so that it is
#: this side that closes: a submission sent into a connection that the other side just closed would be in doubt.
KEEPALIVE = 15.0
#: Most connections to the service. The budget allows 67 requests a second in the long run; at half a second an answer
#: that keeps 34 connections busy. The rest are for bursts and for uploads, which hold theirs for long.
CONNECTIONS = 100


#: Bytes handed to the connection at once, however large the chunks of a source are: what the socket does not take of
#: them is copied. Measured by `benchmarks/upload.py`: pieces of 256 KiB take a quarter more time.
PIECE_BYTES = 1024 * 1024
#: Seconds. A rounding error's worth of waiting would let no time pass on a clock of coarser steps.
SHORTEST_SLEEP = 0.001
#: Most bytes of a download handed on at once.
DOWNLOAD_BYTES = 1024 * 1024


class Body(Protocol):
    """The bytes of an upload, as the transport needs them."""

    @property
    def size(self) -> int | None:
        """Bytes; None if unknown."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether `open` can be called (again) now and gives the same bytes."""
        ...

    def open(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes, from the first on; what they come from is closed when the context ends."""
        ...


T = TypeVar("T")
#: Reads the body of a successful answer.
Reader: TypeAlias = Callable[[Request, bytes], T]
#: Called with the bytes handed to the connection so far.
Progress = Callable[[int], None]
#: Makes the context of each attempt.
Undisturbed = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """What was sent so far.

    Attributes:
        requests: Attempts, failed ones included.
        retries: Attempts that repeated a failed one.
        hidden_repeats: Requests that aiohttp sent again by itself, because a kept connection turned out to be dead.
        connections: Connections that were made; the other requests found one that was kept.
        rate_limited: Answers with status 429.
        bytes_uploaded: Bytes handed to connections by uploads.
        clock_ahead: Seconds by which the service's clock is ahead of this machine's, to the second; None while unknown.
    """

    requests: int
    retries: int
    hidden_repeats: int
    connections: int
    rate_limited: int
    bytes_uploaded: int
    clock_ahead: float | None


#: How aiohttp's errors read in ours; the first match counts, `aiohttp.ClientError` matches the rest.
_TRANSLATIONS: tuple[tuple[type[BaseException], type[TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, ConnectFailed),
    (aiohttp.ServerTimeoutError, ServiceTimeout),
    (aiohttp.ClientConnectorError, ConnectFailed),
    (aiohttp.ServerFingerprintMismatch, ConnectFailed),
    (aiohttp.ClientHttpProxyError, ConnectFailed),
    (aiohttp.InvalidURL, ConnectFailed),
    (aiohttp.NonHttpUrlClientError, ConnectFailed),
    (aiohttp.ClientPayloadError, UnreadableAnswer),
    (aiohttp.ClientResponseError, UnreadableAnswer),
    (TimeoutError, ServiceTimeout),
    (ssl.SSLError, ConnectionLost),
    (OSError, ConnectionLost),
    (aiohttp.ClientError, ConnectionLost),
)
TRANSLATED = (aiohttp.ClientError, OSError)


def translate(request: Request, error: BaseException) -> TransportError:
    """The error of ours that says what one of aiohttp's (or of the system's) means."""
    for theirs, ours in _TRANSLATIONS:
        if isinstance(error, theirs):
            # aiohttp says this of addresses without TLS as well.
            return ours(str(request), str(error).replace(" ssl:default", "") or type(error).__name__)
    raise TypeError(f"not an error of a connection: {error!r}")


class Transport:
    """Sends requests to one host with one key. Use it as an async context manager.

    Args:
        settings: Address and key.
        timeouts: When to give a silent connection up.
        retry: Which failed request is sent again.
        budget: How many requests may be sent.
        retry_budget: How many of them may be repeats.
        on_event: Told of retries and pauses.
        trust_env: Use the proxies named in `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        budget: HttpBudget | None = None,
        retry_budget: RetryBudget | None = None,
        on_event: EventHandler = ignore,
        trust_env: bool = False,
        rng: Random = random.random,
    ) -> None:
        self._settings = settings
        self._timeouts = timeouts or Timeouts()
        self._request_timeout = self._timeout(total=self._timeouts.request)
        self._retry = retry or RetryPolicy()
        budget = budget or HttpBudget()
        repeats = retry_budget or RetryBudget()
        self._reserve = budget.reserve
        self._tokens = TokenBucket(budget.capacity, budget.rate)
        self._repeats = TokenBucket(repeats.burst, repeats.rate)
        self._emit = on_event
        self._trust_env = trust_env
        self._rng = rng
        self._session: aiohttp.ClientSession | None = None
        self._paused_until = 0.0
        self._requests = self._retries = self._rate_limited = self._bytes_uploaded = 0
        self._hidden_repeats = self._connections = self._begun = self._made = 0
        self._clock_ahead: timedelta | None = None
        self._date: str | None = None

    def __repr__(self) -> str:
        state = "open" if self._session else "closed"
        return f"<Transport {self._settings.base_url} {state}>"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS, keepalive_timeout=KEEPALIVE, socket_factory=self._connect
            ),
            request_class=_counted(self._made_request),
            headers={"User-Agent": f"asyncscribe/{__version__} aiohttp/{aiohttp.__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._trust_env,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connect(self, address: aiohttp.AddrInfoType) -> socket.socket:
        self._connections += 1
        family, kind, protocol_number, _, _ = address
        return socket.socket(family, kind, protocol_number)

    def _made_request(self) -> None:
        """Count the requests that aiohttp makes: one for each of ours, and one more when it repeats by itself."""
        self._made += 1
        if self._made > self._begun:
            self._begun = self._made
            self._hidden_repeats += 1
            self._tokens.take(anyio.current_time())

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._session is not None

    @property
    def stretch(self) -> float:
        """By how much looks at the status of jobs should slow down for the request budget's sake, 1 to 10."""
        return stretch(self._tokens.level(anyio.current_time()), self._reserve)

    def statistics(self) -> TransportStatistics:
        """What was sent so far."""
        return TransportStatistics(
            requests=self._requests,
            retries=self._retries,
            hidden_repeats=self._hidden_repeats,
            connections=self._connections,
            rate_limited=self._rate_limited,
            bytes_uploaded=self._bytes_uploaded,
            clock_ahead=None if self._clock_ahead is None else self._clock_ahead.total_seconds(),
        )

    @property
    def clock_ahead(self) -> timedelta:
        """How far the service's clock is ahead of this machine's, as its latest `Date` header told (to the second)."""
        return self._clock_ahead or timedelta()

    @overload
    async def send(
        self,
        request: Request,
        body: Body | None = None,
        progress: Progress | None = None,
        *,
        undisturbed: Undisturbed = ...,
    ) -> dict[str, Any]: ...

    @overload
    async def send(
        self,
        request: Request,
        body: Body | None = None,
        progress: Progress | None = None,
        *,
        read: Reader[T],
        urgent: bool = True,
    ) -> T: ...

    async def send(
        self,
        request: Request,
        body: Body | None = None,
        progress: Progress | None = None,
        *,
        read: Reader[Any] = protocol.read_document,
        urgent: bool = True,
        undisturbed: Undisturbed = nullcontext,
    ) -> Any:
        """Send a request, again if it failed and may be repeated, and return its answer.

        Args:
            request: What to ask.
            body: The bytes of an upload.
            progress: Told how many of them were handed to the connection; starts over with each attempt.
            read: Reads the body of a successful answer (default: as a JSON object); what it can't read is a failure.
            urgent: Whether it may use the last of the request budget; looks at the status of jobs may not.
            undisturbed: Makes a context around each attempt, which the waits between attempts are not in.

        Raises:
            ServiceError: The last attempt's failure.
            SourceError: The body could not be read.
        """
        attempt = 0
        while True:
            attempt += 1
            await self._permission(urgent)
            try:
                with undisturbed():
                    return await self._attempt(request, body, progress, read)
            except ServiceError as error:
                self._rate_limited += getattr(error, "status", None) == 429
                if body is not None and not body.repeatable:
                    raise
                decision = self._retry.decide(error, attempt, safe=request.safe, random=self._rng)
                if decision is None:
                    raise
                _log.info("%s; again in %.1f s", error, decision.delay)
                self._emit(RequestRetried(str(request), str(error), decision.delay))
            self._retries += 1
            if decision.pause_all:
                self._pause(decision.delay)
            else:
                await anyio.sleep(max(decision.delay, self._repeats.take(anyio.current_time())))

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)
        self._emit(RequestsPaused(seconds))

    async def _permission(self, urgent: bool) -> None:
        await self._keep_pause()
        if not urgent:
            while (wait := self._tokens.spare(anyio.current_time(), self._reserve)) > 0:  # noqa: ASYNC110
                await anyio.sleep(max(wait, SHORTEST_SLEEP))
        if (wait := self._tokens.take(anyio.current_time())) > 0:
            await anyio.sleep(wait)
            await self._keep_pause()

    async def _keep_pause(self) -> None:
        # A loop, for the pause may be prolonged meanwhile.
        while (left := self._paused_until - anyio.current_time()) > 0:  # noqa: ASYNC110
            await anyio.sleep(max(left, SHORTEST_SLEEP))

    async def _attempt(self, request: Request, body: Body | None, progress: Progress | None, read: Reader[T]) -> T:
        self._requests += 1
        if body is None:
            status, headers, content = await self._exchange(request)
        else:
            status, headers, content = await self._upload(request, body, progress)
        now = datetime.now(UTC)
        # It changes once a second, answers come by the hundred.
        if (text := headers.get("Date")) != self._date:
            self._date = text
            if (date := protocol.http_date(text)) is not None:
                self._clock_ahead = date - now
        if status >= 300 or status == 202:
            raise protocol.api_error(request, status, headers, self._masked(content), now=now)
        try:
            return read(request, content)
        except UnreadableAnswer:
            if self._masked(content) == content:
                raise
        # The error quotes the answer: it is made once more, of the answer without the key.
        return read(request, self._masked(content))

    def _masked(self, content: bytes) -> bytes:
        return content.replace(self._settings.api_key.get_secret_value().encode(), b"***")

    async def _exchange(self, request: Request, **options: Any) -> tuple[int, Any, bytes]:
        if self._session is None:
            raise NotOpen
        options.setdefault("timeout", self._request_timeout)
        self._begun += 1
        headers = {"Authorization": self._settings.api_key.get_secret_value(), **options.pop("headers", {})}
        try:
            async with self._session.request(
                request.method,
                self._settings.base_url + request.path,
                params=request.query or None,
                json=request.json,
                headers=headers,
                # A redirect could lead the key to another host.
                allow_redirects=False,
                **options,
            ) as response:
                return response.status, response.headers, await response.read()
        except TRANSLATED as error:
            raise translate(request, error) from error

    @asynccontextmanager
    async def download(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes behind a foreign URL, such as a presigned one. The key is not sent there.

        Raises:
            ServiceError: The bytes can't be had.
        """
        request = Request("GET", url.partition("?")[0])
        if self._session is None:
            raise NotOpen
        self._begun += 1
        try:
            async with self._session.get(URL(url, encoded=True), timeout=self._timeout(total=None)) as response:
                if response.status >= 300:
                    body = await response.content.read(protocol.LONGEST_MESSAGE)
                    raise protocol.api_error(request, response.status, response.headers, body, now=datetime.now(UTC))
                yield response.content.iter_chunked(DOWNLOAD_BYTES)
        except TRANSLATED as error:
            raise translate(request, error) from error

    async def _upload(self, request: Request, body: Body, progress: Progress | None) -> tuple[int, Any, bytes]:
        headers = {"Content-Type": "application/octet-stream"}
        if body.size is not None:
            headers["Content-Length"] = str(body.size)
        stream: _Watched | None = None
        with anyio.CancelScope() as scope:
            async with body.open() as chunks:
                stream = _Watched(chunks, scope, self._timeouts.stall, progress)
                try:
                    return await self._exchange(
                        request, data=stream, headers=headers, timeout=self._timeout(total=None)
                    )
                except TransportError:
                    if stream.error is not None:
                        raise stream.error from None
                    raise
                finally:
                    self._bytes_uploaded += stream.sent
        sent = stream.sent if stream else 0
        raise UploadStalled(str(request), f"nothing was taken for {self._timeouts.stall:g} s, after {sent} bytes")

    def _timeout(self, *, total: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=total, sock_connect=self._timeouts.connect, sock_read=self._timeouts.idle)


def _counted(made: Callable[[], None]) -> type[aiohttp.ClientRequest]:
    """Aiohttp's class of requests, which tells of each that is made. Tracing would cost 30 µs a request."""

    class Counted(aiohttp.ClientRequest):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            made()
            super().__init__(*arguments, **options)

    return Counted


class _Watched:
    """A body's bytes, with a deadline on each handover.

    aiohttp has no write timeout: a peer that stops reading would hang an upload for ever. While a chunk is with the
    connection, the scope around the request has a deadline; while the next one is read from the source, which may
    take its time, and after the last one, when aiohttp's read timeout takes over, it has none.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], scope: anyio.CancelScope, stall: float, progress: Progress | None
    ) -> None:
        self._chunks = chunks
        self._scope = scope
        self._stall = stall
        self._progress = progress
        self._rest = memoryview(b"")
        self._handed_over = 0
        self.sent = 0
        self.error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> memoryview:
        self._scope.deadline = float("inf")
        if self._handed_over:
            self.sent += self._handed_over
            self._handed_over = 0
            if self._progress is not None:
                self._progress(self.sent)
        if not self._rest:
            self._rest = memoryview(await self._read())
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        self._handed_over = len(piece)
        self._scope.deadline = anyio.current_time() + self._stall
        return piece

    async def _read(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except Exception as error:
            # aiohttp hides what its body iterator raises behind a connection error.
            self.error = error
            raise

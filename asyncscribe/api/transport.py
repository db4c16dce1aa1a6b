"""Retries, above the gate that decides when a request is sent and the connection that sends it.

A `Transport` knows nothing of jobs. It sends a `Request` and returns the parsed answer, or raises a `ServiceError`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import anyio

from asyncscribe.api.clock import ServiceClock
from asyncscribe.api.connection import Connection, Custody
from asyncscribe.api.gate import Gate, GateStatistics, Pass
from asyncscribe.api.network import Network
from asyncscribe.api.protocol import Request
from asyncscribe.api.streams import Body, Progress
from asyncscribe.errors import APIError, RateLimited, ServerError, ServiceError
from asyncscribe.events import EventHandler, RequestRetried, ignore
from asyncscribe.logs import log
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.request_rate import HttpBudget, Lane
from asyncscribe.policies.retry import RetryBudget, RetryDecision, RetryPolicy
from asyncscribe.settings import Settings, Timeouts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """What was sent so far.

    Attributes:
        requests: Attempts, failed ones included.
        retries: Attempts that repeated a failed one.
        hidden_repeats: Requests that aiohttp sent again by itself, because a kept connection turned out to be dead.
        connections: Connections that were made; all other requests reused one.
        rate_limited: Answers with status 429.
        bytes_uploaded: Bytes handed to connections by uploads.
        clock_ahead: Seconds by which the service's clock is ahead of this machine's, to the second; None while unknown.
        gate: The queue that requests pass.
    """

    requests: int
    retries: int
    hidden_repeats: int
    connections: int
    rate_limited: int
    bytes_uploaded: int
    clock_ahead: float | None
    gate: GateStatistics


class Transport:
    """Sends requests to one host with one key, with retries where they are safe. Use it as an async context manager.

    Args:
        settings: Address and key.
        timeouts: When to give up a silent connection.
        retry: Which failed request is sent again.
        budget: How many requests may be sent.
        retry_budget: How many of them may be repeats.
        on_event: Receives retries and pauses.
        network: How the service is reached.
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
        network: Network | None = None,
        rng: Random = random.random,
    ) -> None:
        self._connection = Connection(
            settings,
            timeouts,
            network=network,
            on_repeat=lambda: self.gate.repeated_by_itself(Lane.RESULTS),
        )
        self.gate = Gate(budget, retry_budget, on_event=on_event)
        self._retry = retry or RetryPolicy()
        self._emit = on_event
        self._rng = rng
        self._exit = AsyncExitStack()
        self._reached = False
        self._retries = self._rate_limited = 0

    def __repr__(self) -> str:
        return f"<Transport {self._connection!r} {self.gate!r}>"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._connection)
            self.gate.open()
            stack.callback(self.gate.close)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._connection.is_open

    @property
    def clock(self) -> ServiceClock:
        """The service's time, taken from its answers."""
        return self._connection.clock

    def statistics(self) -> TransportStatistics:
        """What was sent so far."""
        sent = self._connection.statistics
        return TransportStatistics(
            requests=sent.requests,
            retries=self._retries,
            hidden_repeats=sent.hidden_repeats,
            connections=sent.connections,
            rate_limited=self._rate_limited,
            bytes_uploaded=sent.bytes_uploaded,
            clock_ahead=self._connection.clock_ahead(),
            gate=self.gate.statistics(),
        )

    async def send(
        self,
        request: Request[T],
        body: Body | None = None,
        progress: Progress | None = None,
        *,
        lane: Lane = Lane.RESULTS,
        priority: int = 0,
        retry: bool = True,
        custody: Custody[T] | None = None,
    ) -> T:
        """Send a request, repeat it if it failed and may be repeated, and return the parsed answer.

        Args:
            request: What to send.
            body: The bytes of an upload.
            progress: Called with how many bytes were handed to the connection; starts over with each attempt.
            lane: What the request is for, which decides how soon it is sent when the allowance is short.
            priority: A higher one overtakes all lower ones of its lane.
            retry: Whether to repeat it at all; False for callers that have their own schedule.
            custody: Tracks each attempt of a request that may cost money; the waits before and between attempts can be
                cancelled.

        Raises:
            ServiceError: The last attempt's failure.
            SourceError: The body could not be read.
            NotOpen: The transport is closed, or was closed meanwhile.
        """
        attempt, repeat = 0, False
        begun = asyncio.get_running_loop().time()
        while True:
            attempt += 1
            granted = await self.gate.enter(lane, priority, repeat=repeat, connected=body is None)
            try:
                return await self._once(request, body, progress, custody, granted)
            except ServiceError as error:
                # The gate holds back requests that were refused for their rate; they need no token.
                repeat = not isinstance(error, RateLimited)
                decision = self._decide(request, error, attempt, begun) if retry else None
                if decision is None or (body is not None and not body.repeatable):
                    raise
                log.info("%s; again in %.1f s", error, decision.delay)
                self._emit(RequestRetried(str(request), str(error), decision.delay))
            finally:
                self.gate.leave(granted)
            self._retries += 1
            if decision.delay:
                await anyio.sleep(decision.delay)

    async def _once(
        self,
        request: Request[T],
        body: Body | None,
        progress: Progress | None,
        custody: Custody[T] | None,
        granted: Pass,
    ) -> T:
        """One attempt; its outcome is reported to the gate and the log."""
        now = asyncio.get_running_loop().time
        sent = now()
        try:
            if custody is None:
                answer = await self._connection.exchange(request, body, progress)
            else:
                answer = await self._in_custody(request, custody)
        except ServiceError as error:
            self._failed(error, granted)
            log.debug("%s after %.0f ms", error, 1000 * (now() - sent))
            raise
        self._reached = True
        self.gate.succeeded(granted)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s: %.0f ms", request, 1000 * (now() - sent))
        return answer

    async def _in_custody(self, request: Request[T], custody: Custody[T]) -> T:
        try:
            with custody.shielded():
                return await self._connection.exchange(request, custody=custody)
            # The section was cut off after all, because the client is closing.
            raise custody.cut_off(str(request))
        except ServiceError as error:
            custody.failed(error)
            raise

    def _decide(self, request: Request[T], error: ServiceError, attempt: int, begun: float) -> RetryDecision | None:
        elapsed = asyncio.get_running_loop().time() - begun
        return self._retry.decide(error, attempt, elapsed, safe=request.safe, reached=self._reached, random=self._rng)

    def _failed(self, error: ServiceError, granted: Pass) -> None:
        self._reached = self._reached or isinstance(error, APIError)
        asked = error.retry_after if isinstance(error, RateLimited | ServerError) else None
        if isinstance(error, RateLimited):
            self._rate_limited += 1
        elif asked is None:
            return
        # A request that is asked to wait longer than `longest_pause` is given up; the others wait only that long.
        pause = None if asked is None else min(asked, self._retry.longest_pause)
        self.gate.refused(granted, pause, rate_limited=isinstance(error, RateLimited))

    def download(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes behind a foreign URL; see `Connection.download`."""
        return self._connection.download(url)

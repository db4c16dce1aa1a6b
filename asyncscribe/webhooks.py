"""A receiver of the service's webhooks, to be mounted in any web application.

In aiohttp:

    receiver = WebhookReceiver(handle, header_name="X-Hook", header_value=SECRET)
    app.cleanup_ctx.append(receiver.lifespan)
    app.router.add_post("/hook", receiver.aiohttp_handler)

In Starlette or FastAPI, with `async with receiver:` in the lifespan:

    async def hook(request):
        status = await receiver.receive(request.headers, request.stream())
        return Response(status_code=status)

The service accepts any 2xx within 10 s, tries up to ten times, and gives up at once on a 4xx. So if a handler fails,
the answer is 500, and the handler is called again; a slow handler goes on in the background; requests that are not
notifications, or lack the secret, are refused with a 4xx.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import anyio
from aiohttp import web

from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import ConfigurationError
from asyncscribe.logs import log
from asyncscribe.models.notifications import Notification, RedactedAudioReady, TranscriptEnded, parse_notification

__all__ = ["Notification", "RedactedAudioReady", "TranscriptEnded", "WebhookReceiver"]

#: Seconds after which the answer is sent, whatever the handler does; the service waits for 10.
ANSWER_WITHIN = 8.0
#: A notification is a hundred bytes and a signed URL; a larger body is not one.
LARGEST_BODY = 64 * 1024
#: Notifications that are remembered, so that repeats are not handled twice.
REMEMBERED = 10_000
#: Most handlers in the background; beyond that, the service is asked to try again.
BACKGROUND = 1_000


class WebhookReceiver:
    """Checks, reads and hands over notifications. An async context manager that owns the handlers' tasks.

    Args:
        handler: Called once for each notification; a repeat is answered without it. If it raises, the service is asked
            to repeat the notification, and the handler is called again.
        header_name: The header of `TranscriptionConfig.with_webhook`.
        header_value: Its value. Without both, nothing is checked: anybody who knows the URL can call it.
        answer_within: Seconds to wait for the handler before the answer.

    Raises:
        ConfigurationError: Only one of header name and value is given, or it is empty.
    """

    def __init__(
        self,
        handler: Callable[[Notification], Awaitable[None]],
        *,
        header_name: str | None = None,
        header_value: str | None = None,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        if bool(header_name) != bool(header_value) or "" in {header_name, header_value}:
            raise ConfigurationError("header_name and header_value of a webhook go together, and neither is empty")
        self._handler = handler
        self._header_name = header_name
        self._header_value = (header_value or "").encode()
        self._answer_within = answer_within
        self._tasks = Tasks()
        self._handled: OrderedDict[Notification, None] = OrderedDict()
        self._running: dict[Notification, anyio.Event] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(exc_type, exc, traceback)

    async def lifespan(self, _: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx` of an aiohttp application."""
        async with self:
            yield

    async def aiohttp_handler(self, request: web.Request) -> web.Response:
        """A handler for aiohttp's router."""
        return web.Response(status=await self.receive(request.headers, request.content.iter_any()))

    async def receive(self, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes]) -> int:
        """Handle a request and return the status to answer with.

        Args:
            headers: The headers; case-insensitive if the mapping is.
            body: The body, or its pieces.
        """
        if not self._is_authentic(headers):
            return 401
        content = await _at_most(LARGEST_BODY, body)
        if content is None:
            return 413
        try:
            notification = parse_notification(content)
        except ValueError:
            return 400
        return await self._deliver(notification)

    def _is_authentic(self, headers: Mapping[str, str]) -> bool:
        if self._header_name is None:
            return True
        # In constant time, so that the value can't be guessed letter by letter.
        given = headers.get(self._header_name) or headers.get(self._header_name.lower()) or ""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._header_value)

    async def _deliver(self, notification: Notification) -> int:
        if notification in self._handled:
            return 200
        if notification not in self._running:
            if len(self._running) >= BACKGROUND:
                return 503
            self._running[notification] = anyio.Event()
            self._tasks.start_soon(self._handle, notification)
        ended = self._running[notification]
        with anyio.move_on_after(self._answer_within):
            await ended.wait()
            return 200 if notification in self._handled else 500
        # The handler goes on: the notification was received, and no later answer is possible.
        return 200

    async def _handle(self, notification: Notification) -> None:
        try:
            await self._handler(notification)
        except Exception:  # noqa: BLE001 - whatever a caller's code may raise
            log.exception("the webhook's handler failed on %r", notification)
        else:
            self._handled[notification] = None
            if len(self._handled) > REMEMBERED:
                self._handled.popitem(last=False)
        finally:
            self._running.pop(notification).set()


async def _at_most(limit: int, body: bytes | AsyncIterable[bytes]) -> bytes | None:
    if isinstance(body, bytes):
        return body if len(body) <= limit else None
    content = bytearray()
    async for piece in body:
        content += piece
        if len(content) > limit:
            return None
    return bytes(content)

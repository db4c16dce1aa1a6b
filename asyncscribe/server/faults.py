"""Faults on request: the next answers of the local server fail in a chosen way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class When(StrEnum):
    """Whether the server acts on the request before it fails."""

    INSTEAD = "instead"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with a status and a body of one's own."""

    status: int
    body: str = '{"error": "Server error, developers have been alerted."}'
    headers: Mapping[str, str] = field(default_factory=dict)
    when: When = When.INSTEAD


@dataclass(frozen=True, slots=True)
class Drop:
    """Break the connection without an answer."""

    when: When = When.INSTEAD


@dataclass(frozen=True, slots=True)
class CutBody:
    """Act and begin the right answer, then break the connection in the middle of its body."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Read nothing (more) and answer nothing, until the client goes away or the server ends."""


Fault = Answer | Drop | CutBody | Hang


@dataclass(slots=True)
class _Script:
    method: str
    path: str
    faults: list[Fault]


class Faults:
    """Scripted faults: for each kind of request the faults of its next answers, in order."""

    def __init__(self) -> None:
        self._scripts: list[_Script] = []
        self._hanging: set[asyncio.Future[None]] = set()

    def script(self, method: str, path: str, *faults: Fault) -> None:
        """Let the next `len(faults)` requests with this method, and a path that begins so, fail one after the other."""
        self._scripts.append(_Script(method, path, list(faults)))

    def next(self, request: web.Request) -> Fault | None:
        """Take the fault that is due for a request; None if it is to be answered properly."""
        for script in self._scripts:
            if script.faults and request.method == script.method and request.path.startswith(script.path):
                return script.faults.pop(0)
        return None

    async def _hang(self) -> None:
        released = asyncio.get_running_loop().create_future()
        self._hanging.add(released)
        try:
            await released
        finally:
            self._hanging.discard(released)

    def release(self) -> None:
        """End all requests that hang, by breaking their connections."""
        for released in self._hanging:
            if not released.done():
                released.set_result(None)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers properly, or with the fault that is due."""
        match self.next(request):
            case None:
                return await handler(request)
            case Answer() as answer:
                if answer.when is When.AFTER:
                    await handler(request)
                return web.Response(
                    status=answer.status,
                    text=answer.body,
                    headers=answer.headers,
                    content_type="application/json",
                )
            case Drop() as drop:
                if drop.when is When.AFTER:
                    await handler(request)
                return _drop(request)
            case CutBody():
                response = await handler(request)
                return await _cut(request, response)
            case Hang():
                await self._hang()
                return _drop(request)


def _drop(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else None
    content = body if isinstance(body, bytes) else b"{}"
    cut = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    cut.content_length = len(content)
    await cut.prepare(request)
    await cut.write(content[: len(content) // 2])
    return _drop(request)

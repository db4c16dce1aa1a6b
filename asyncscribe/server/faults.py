"""Injected faults: answers of the local server fail in a chosen way, the next ones or at random."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from asyncscribe.server.checks import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class When(StrEnum):
    """Whether the server acts on the request before it fails."""

    INSTEAD = "instead"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with the given status and body."""

    status: int
    body: str = '{"error": "Server error, developers have been alerted."}'
    headers: Mapping[str, str] = field(default_factory=dict)
    when: When = When.INSTEAD
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Drop:
    """Break the connection without an answer."""

    when: When = When.INSTEAD


@dataclass(frozen=True, slots=True)
class CutBody:
    """Act and start the proper answer, then break the connection in the middle of its body."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Read nothing (more) and send no answer, until the client disconnects or the server ends."""


@dataclass(frozen=True, slots=True)
class Late:
    """Break the connection at once without an answer, but still act on the request after `seconds`.

    For requests whose body is read as a whole, such as `POST /v2/transcript`.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Act at once, and answer after `seconds`."""

    seconds: float


Fault = Answer | Drop | CutBody | Hang | Late | Delay


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Requests of one kind meet a fault with a probability.

    Attributes:
        method: Their method.
        path: The prefix of their paths; with `exact` their route, as in `LocalServer.requests`.
        probability: Share of them that meets the fault, 0 to 1.
        fault: The fault that they meet.
        exact: Whether `path` is a route such as `/v2/transcript/{id}`.
    """

    method: str
    path: str
    probability: float
    fault: Fault
    exact: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability must be from 0 to 1, not {self.probability}")

    def fits(self, request: web.Request) -> bool:
        """Whether a request is of this kind."""
        if request.method != self.method:
            return False
        return route(request) == self.path if self.exact else request.path.startswith(self.path)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Random but reproducible faults: the same requests in the same order meet the same faults.

    A request meets one fault at most, so the probabilities of the rules that fit it add up. Once the sum is 1,
    later rules are never met.

    Attributes:
        seed: Seed of the random numbers.
        rules: Which requests meet which fault.
    """

    seed: int
    rules: Sequence[FaultRule]


def route(request: web.Request) -> str:
    """The route of a request, such as `/v2/transcript/{id}`; its path if it has none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else request.path


@dataclass(slots=True)
class _Script:
    method: str
    path: str
    faults: list[Fault]


class _Chance:
    """Draws a plan's faults."""

    def __init__(self, plan: FaultPlan) -> None:
        self._rules = tuple(plan.rules)
        self._random = random.Random(plan.seed)

    def draw(self, request: web.Request) -> Fault | None:
        rules = [rule for rule in self._rules if rule.fits(request)]
        if not rules:
            return None
        chance = self._random.random()
        for rule in rules:
            chance -= rule.probability
            if chance < 0:
                return rule.fault
        return None


class Faults:
    """The faults that are due: first scripted ones, in order, then the plan's, at random."""

    def __init__(self) -> None:
        self._scripts: list[_Script] = []
        self._chance: _Chance | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._hanging: set[asyncio.Future[None]] = set()

    def script(self, method: str, path: str, *faults: Fault) -> None:
        """Let the next `len(faults)` requests with this method and path prefix fail, one fault each."""
        self._scripts.append(_Script(method, path, list(faults)))

    def clear(self) -> None:
        """Forget the scripted faults that are still due."""
        self._scripts.clear()

    def plan(self, plan: FaultPlan | None) -> None:
        """Let requests fail at random from now on, replacing an earlier plan; None ends that."""
        self._chance = None if plan is None else _Chance(plan)

    def next(self, request: web.Request) -> Fault | None:
        """Take the fault that is due for a request; None for a proper answer."""
        for script in self._scripts:
            if script.faults and request.method == script.method and request.path.startswith(script.path):
                return script.faults.pop(0)
        return None if self._chance is None else self._chance.draw(request)

    async def _hang(self) -> None:
        released = asyncio.get_running_loop().create_future()
        self._hanging.add(released)
        try:
            await released
        finally:
            self._hanging.discard(released)

    def release(self) -> None:
        """End all hanging requests by breaking their connections."""
        for released in self._hanging:
            if not released.done():
                released.set_result(None)

    async def close(self) -> None:
        """Cancel late requests; to be called once no more can come."""
        late = self._late.copy()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _act_later(self, request: web.Request, handler: Handler, seconds: float) -> None:
        # The request keeps its body, so that it can be handled without its connection.
        await request.read()
        task = asyncio.create_task(_act(request, handler, seconds), name="late request")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

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
                    content_type=answer.content_type,
                )
            case Drop() as drop:
                if drop.when is When.AFTER:
                    await handler(request)
                return _drop(request)
            case CutBody():
                response = await handler(request)
                return await _cut(request, response)
            case Late(seconds):
                await self._act_later(request, handler, seconds)
                return _drop(request)
            case Delay(seconds):
                response = await handler(request)
                await asyncio.sleep(seconds)
                return response
            case Hang():
                await self._hang()
                return _drop(request)


async def _act(request: web.Request, handler: Handler, seconds: float) -> None:
    await asyncio.sleep(seconds)
    # Nobody is left to receive a refusal.
    with suppress(Refused, web.HTTPException):
        await handler(request)


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

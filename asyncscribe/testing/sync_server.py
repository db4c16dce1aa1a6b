"""The same server in its own thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncscribe.server.faults import Fault, FaultPlan, Faults
from asyncscribe.server.service import Record
from asyncscribe.sync import Client
from asyncscribe.testing.schedules import QUICK
from asyncscribe.testing.scripts import Reply, Rule, Scripted
from asyncscribe.testing.server import Server

P = ParamSpec("P")
T = TypeVar("T")


class SyncServer(Scripted):
    """A `Server` in its own thread, for tests without an event loop, or with one per thread.

        with SyncServer() as server, server.client() as client:
            server.on("interview.mp3", text="Good morning.")

    It can be used from any thread, also before it is entered and after it was left.

    Args:
        default: As for `Server`.
        strict: As for `Server`.
        real_time: Whether jobs take their scripted time; otherwise all end at once.
        options: As for `LocalServer`, except its engine.

    Raises:
        ValueError: Both `default` and `strict` are given.

    Attributes:
        faults: Answers that are to fail.
    """

    def __init__(
        self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = False, **options: Any
    ) -> None:
        self._server = Server(default=default, strict=strict, real_time=real_time, **options)
        self._portal: BlockingPortal | None = None
        self._open = ExitStack()
        self.faults = SyncFaults(self._server.faults, self._call)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="asyncscribe server"))
            stack.enter_context(portal.wrap_async_context_manager(self._server))
            self._portal = portal
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._open.close()
        finally:
            self._portal = None

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._portal is None:
            return function(*args, **kwargs)
        result: T = self._portal.call(partial(function, *args, **kwargs))
        return result

    def _script(self, rule: Rule) -> None:
        self._call(self._server._script, rule)  # noqa: SLF001 - one thing with its server

    @property
    def api_key(self) -> str:
        """A key that the server accepts."""
        return self._server.api_key

    @property
    def base_url(self) -> str:
        """The address for clients."""
        return self._server.base_url

    @property
    def requests(self) -> Counter[str]:
        """Counts of requests by method and route, as they are now."""
        return self._call(Counter, self._server.requests)

    @property
    def records(self) -> list[Record]:
        """All transcripts in the order of their creation, as they are now."""
        return self._call(self._records)

    def _records(self) -> list[Record]:
        return [replace(record, document=dict(record.document)) for record in self._server.records]

    def set_limit(self, limit: int) -> None:
        """Change the number of jobs that run at once."""
        self._call(self._server.set_limit, limit)

    def client(self, **options: Any) -> Client:
        """A client of this server with quick schedules, not yet open.

        Args:
            options: As for `Client`.
        """
        return Client(self.api_key, self.base_url, **{**QUICK, **options})


class SyncFaults:
    """The faults of a server that runs in another thread.

    Args:
        faults: Its faults.
        call: Calls a function in that thread.
    """

    def __init__(self, faults: Faults, call: Callable[..., Any]) -> None:
        self._faults = faults
        self._call = call

    def script(self, method: str, path: str, *faults: Fault) -> None:
        """Let the next `len(faults)` requests with this method and path prefix fail, one fault each."""
        self._call(self._faults.script, method, path, *faults)

    def clear(self) -> None:
        """Forget the scripted faults that are still due."""
        self._call(self._faults.clear)

    def plan(self, plan: FaultPlan | None) -> None:
        """Let requests fail at random from now on, replacing an earlier plan; None ends that."""
        self._call(self._faults.plan, plan)

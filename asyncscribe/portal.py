"""`Portal`: what awaits is done in a thread of its own, and waited for by those that do not await."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import get_ident
from typing import Any, ParamSpec, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncscribe.errors import NotOpen

#: Seconds after which a waiting thread looks up: where no signal wakes it (on Windows, and when a debugger or a kernel
#: only marks the interrupt), Ctrl-C takes effect then.
TICK = 0.5
_END: Any = object()

P = ParamSpec("P")
T = TypeVar("T")


class Portal:
    """The way into a client's event loop, which runs in a thread of its own for as long as the client is open."""

    def __init__(self) -> None:
        self._running: BlockingPortal | None = None
        self._thread: int | None = None
        self._open = ExitStack()

    def open(self, enter: Callable[[], Awaitable[object]]) -> None:
        """Start the thread and enter what lives in it."""
        with ExitStack() as stack:
            portal = stack.enter_context(self._entered())
            self._wait(portal, enter)
            stack.callback(self._forget)
            self._thread = self._wait(portal, get_ident)
            self._running = portal
            self._open = stack.pop_all()

    def close(self, leave: Callable[[], Awaitable[T]], at_once: Callable[[], Awaitable[T]] | None) -> T | None:
        """Leave it and end the thread; what still waits for the loop gets `NotOpen`.

        Args:
            leave: Leaves it.
            at_once: Leaves it when Ctrl-C comes meanwhile; None for nothing but the end of the thread.
        """
        self._refuse_a_callback()
        if (portal := self._running) is None:
            return None
        # The thread ends whatever happens meanwhile, such as a second Ctrl-C.
        with self._open:
            try:
                left: T = self._wait(portal, leave)
            except BaseException:
                if at_once is not None:
                    self._wait(portal, at_once)
                raise
            return left

    def _forget(self) -> None:
        self._running = self._thread = None

    @contextmanager
    def _entered(self) -> Iterator[BlockingPortal]:
        if self._running is not None:
            yield self._running
        else:
            # A client that is not open answers what needs no connection, such as how a job has ended, and refuses the
            # rest by itself. For that it needs some loop.
            with start_blocking_portal(name="asyncscribe") as portal:
                yield portal

    def wait(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await in the loop."""
        with self._entered() as portal:
            result: T = self._wait(portal, partial(function, *args, **kwargs))
            return result

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in the loop's thread what does not await; handlers of events, which are there already, may as well."""
        if get_ident() == self._thread:
            return function(*args, **kwargs)
        with self._entered() as portal:
            result: T = self._wait(portal, partial(function, *args, **kwargs))
            return result

    def each(self, items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        """Go through an async generator, and close it when this one is left."""
        with self._entered() as portal:
            try:
                while (item := self._wait(portal, partial(anext, items, _END))) is not _END:
                    yield item
            finally:
                # A collector of garbage may end this in the loop's thread; the loop then closes the items by itself,
                # as it does when it ends.
                if get_ident() != self._thread:
                    with suppress(NotOpen):
                        self._wait(portal, items.aclose)

    def _wait(self, portal: BlockingPortal, function: Callable[[], Any]) -> Any:
        self._refuse_a_callback()
        try:
            future = portal.start_task_soon(function)
        except RuntimeError:
            raise NotOpen from None
        try:
            _until_done(future)
            return future.result()
        except CancelledError:
            raise NotOpen from None
        except BaseException:
            # Ctrl-C: what waits in the loop is told, and has time to leave in order.
            future.cancel()
            _until_done(future)
            raise

    def _refuse_a_callback(self) -> None:
        if get_ident() == self._thread:
            raise RuntimeError(
                "a callback runs in the client's event loop and must not wait for it; use another thread"
            )


def _until_done(future: Future[Any]) -> None:
    # Unlike `result`, this waits for the end of a cancelled one as well.
    while not wait([future], TICK).done:
        pass

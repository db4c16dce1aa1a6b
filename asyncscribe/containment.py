"""Callers' code runs in the library's tasks; an exception from it must end its own job and nothing else.

`CancelledError` is the dangerous one. If a caller's code raises it, e.g. because something that it awaited was
cancelled, every task and scope above takes it for a real cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from asyncscribe.errors import CallbackError

P = ParamSpec("P")
T = TypeVar("T")


def is_cancelled() -> bool:
    """Whether somebody is cancelling the running task: by `Task.cancel`, a timeout, or a cancel scope."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def contained(what: str, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a caller's function.

    Args:
        what: Its name in messages.
        function: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        CallbackError: It raised `CancelledError`, although nobody is cancelling this task.
    """
    try:
        return await function(*args, **kwargs)
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise CallbackError(f"{what} raised CancelledError, and nobody had cancelled it") from error

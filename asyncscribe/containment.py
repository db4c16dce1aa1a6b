"""What users hand in runs in tasks of ours; what it raises must end its own job and nothing else.

`CancelledError` is the treacherous one. Raised by a user's code that awaited something which was cancelled, it looks to
every task and scope above like a cancellation that somebody asked for.
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
    """Await something of the user's.

    Args:
        what: How messages name it.
        function: Is called with the arguments that follow.
        args: Its arguments.
        kwargs: Its arguments.

    Raises:
        CallbackError: It raised `CancelledError` though nobody is cancelling this task.
    """
    try:
        return await function(*args, **kwargs)
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise CallbackError(f"{what} raised CancelledError, and nobody had cancelled it") from error

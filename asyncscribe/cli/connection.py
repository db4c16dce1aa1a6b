"""The client of a command, for the service or an embedded server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.request import getproxies

from asyncscribe.cli.exits import UserError
from asyncscribe.client import POLLING, AsyncClient
from asyncscribe.errors import MissingApiKey
from asyncscribe.events import EventHandler
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import FREE_ACCOUNT_LIMIT
from asyncscribe.settings import resolve

#: The embedded server answers at once, and its requests need not be saved.
LOCAL_POLLING = Backoff(initial=0.2, factor=1.3, maximum=1.0, jitter=0.1)


@asynccontextmanager
async def connect(
    *,
    local: bool = False,
    base_url: str | None,
    concurrency: int | None = None,
    on_event: EventHandler | None = None,
) -> AsyncIterator[AsyncClient]:
    """Open a client.

    Args:
        local: Start the embedded server for it.
        base_url: Where the API is; not with `local`.
        concurrency: Jobs at once; None finds the account's limit.
        on_event: Receives every event.

    Raises:
        UserError: The options contradict one another, or the embedded server is not installed.
        ConfigurationError: There is no key, or the address is not usable.
    """
    async with AsyncExitStack() as stack:
        key = None
        polling = POLLING
        # No proxies for the embedded server; if none is set, aiohttp need not look for one at every request.
        trust_env = not local and bool(getproxies())
        if local:
            if base_url is not None:
                raise UserError("--local and --base-url contradict one another")
            server = await stack.enter_async_context(_server(concurrency or FREE_ACCOUNT_LIMIT))
            key, base_url, polling = server.api_key, server.base_url, LOCAL_POLLING
        client = partial(
            AsyncClient,
            base_url=base_url,
            concurrency=concurrency,
            polling=polling,
            on_event=on_event,
            trust_env=trust_env,
        )
        yield await stack.enter_async_context(client(key))


def address(base_url: str | None) -> str:
    """The address of the API that a client would use; needs no key."""
    try:
        return resolve(None, base_url).base_url
    except MissingApiKey:
        return resolve("none", base_url).base_url


def _server(limit: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from asyncscribe.server import LocalServer, PocketSphinxEngine

    require_engine()
    return LocalServer(PocketSphinxEngine(), limit=limit)


def require_engine() -> None:
    """Check that the real engine's packages are installed, without loading them.

    Raises:
        UserError: They are not.
    """
    from importlib.util import find_spec

    missing = [name for name in ("pocketsphinx", "av") if find_spec(name) is None]
    if missing:
        raise UserError(f"the speech engine needs {' and '.join(missing)}", "pip install 'asyncscribe[local]'")

"""Downloads recordings from foreign URLs; failures are worded as the service words them."""

from __future__ import annotations

import aiohttp

from asyncscribe.server.engines.base import EngineError
from asyncscribe.server.storage import Storage, TooLarge
from asyncscribe.version import __version__

#: The service accepts at most 5 GB by URL (its FAQ).
LARGEST_DOWNLOAD = 5_000_000_000
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)


class Fetcher:
    """Downloads into the storage.

    Args:
        storage: Where files go.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT,
            headers={"User-Agent": f"asyncscribe-server/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session for requests to other hosts.

        Raises:
            RuntimeError: It is not open.
        """
        if self._session is None:
            raise RuntimeError("the fetcher is not open")
        return self._session

    async def fetch(self, url: str) -> str:
        """Download a URL and return its key in the storage.

        Raises:
            EngineError: It is unavailable; worded as the service words it.
        """
        try:
            async with self.session.get(url) as response:
                if response.status >= 400:
                    side = "Client" if response.status < 500 else "Server"
                    raise EngineError(
                        f"Download error to {url}, {response.status} {side} Error: {response.reason} for url: {url}"
                    )
                return await self._storage.save(response.content.iter_any(), limit=LARGEST_DOWNLOAD)
        except (aiohttp.ClientError, OSError, ValueError, TooLarge) as error:
            raise EngineError(
                f"Download error, unable to download {url}. Please make sure the file exists and is accessible from "
                "the internet."
            ) from error

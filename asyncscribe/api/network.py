"""How the service is reached: proxies, certificates, extra headers, and optionally the caller's session."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from socket import socket
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from asyncscribe.errors import ConfigurationError
from asyncscribe.masking import Secret, masked
from asyncscribe.version import __version__

#: Idle sockets are closed after this many seconds. Shorter than the usual load balancer's 60 s, so that this side
#: closes first: a submission sent into a connection that the other side has just closed would be in doubt.
KEEPALIVE = 15.0
#: RFC 9110, section 5: the characters of a header's name, and those that its value can't have.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Headers that the client sets for each request; the caller can't.
_OURS = frozenset({"authorization", "content-length", "content-type", "host", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Network:
    """How the service is reached. Checked on construction.

    Attributes:
        trust_env: Use the proxies named in `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
        proxy: The proxy for everything, `http://user:password@host:port`; the environment is then ignored.
        ssl_context: Which certificates are trusted, and which are presented.
        session: The caller's session, whose connections, cookies, headers and trace configurations are used.
        headers: Sent with every request to the service, and to nobody else.

    Raises:
        ConfigurationError: One of them can't be used.
    """

    trust_env: bool = False
    proxy: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    session: aiohttp.ClientSession | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __post_init__(self) -> None:
        if self.proxy is not None:
            object.__setattr__(self, "proxy", Secret(_checked_proxy(self.proxy, "proxy")))
        if self.ssl_context is not None and not isinstance(self.ssl_context, ssl.SSLContext):
            raise ConfigurationError(
                f"ssl_context must be an ssl.SSLContext, not {self.ssl_context!r}; "
                "ssl.create_default_context(cafile=...) makes one that trusts a private authority"
            )
        if self.session is not None and not isinstance(self.session, aiohttp.ClientSession):
            raise ConfigurationError(f"session must be an aiohttp.ClientSession, not {type(self.session).__name__}")
        object.__setattr__(self, "headers", MappingProxyType(_checked_headers(self.headers)))

    def proxy_for(self, url: str) -> str | None:
        """The proxy for an address; None for none.

        Raises:
            ConfigurationError: The environment names one that is not an HTTP proxy.
        """
        if self.proxy is not None:
            return self.proxy
        return proxy_of_environment(url) if self.trust_env else None

    def open(
        self, request_class: type[aiohttp.ClientRequest], socket_factory: Callable[[aiohttp.AddrInfoType], socket]
    ) -> aiohttp.ClientSession:
        """A session to send with, to be closed after use; the caller's own stays open.

        It is always one of ours, because a session that repeats requests by itself could pay twice.

        Raises:
            ConfigurationError: The caller's session is closed.
        """
        agent = {"User-Agent": f"asyncscribe/{__version__} aiohttp/{aiohttp.__version__}"}
        if self.session is None:
            # The gate bounds the requests and the upload limiter the uploads. With a bound here, requests would wait
            # after their timeouts have started.
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=KEEPALIVE, socket_factory=socket_factory, ssl=self.ssl_context or True
                ),
                request_class=request_class,
                headers=agent,
                cookie_jar=aiohttp.DummyCookieJar(),
                # With True, aiohttp would also read .netrc, whose entries conflict with the key.
                trust_env=False,
            )
        if self.session.closed:
            raise ConfigurationError("the session that was passed is closed")
        return aiohttp.ClientSession(
            connector=self.session.connector,
            connector_owner=False,
            request_class=request_class,
            headers={**agent, **self.session.headers},
            cookie_jar=self.session.cookie_jar,
            trace_configs=self.session.trace_configs,
            trust_env=False,
        )


def proxy_of_environment(url: str) -> str | None:
    """The proxy that the environment names for an address; None if it names none, or exempts the host.

    Raises:
        ConfigurationError: It is not an HTTP proxy.
    """
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    return _checked_proxy(address, "proxy of the environment", "; unset it, or exempt the host by NO_PROXY")


def _checked_proxy(address: str, what: str, hint: str = "") -> str:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        shown = masked(address) if "://" in address else "an address without http://"
        raise ConfigurationError(f"the {what} can't be used: only http:// and https:// proxies can, not {shown}{hint}")
    return address


def _checked_headers(headers: Mapping[Any, Any]) -> dict[str, str]:
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} can't be the name of a header")
        if name.lower() in _OURS:
            raise ConfigurationError(f"the header {name} is set by the client for each request")
        if not isinstance(value, str) or _NO_VALUE.search(value):
            raise ConfigurationError(f"the value of the header {name} can't be sent: it must be one line of text")
    return dict(headers)

"""Translates errors of aiohttp and of the system into this library's.

They are replaced, not chained: aiohttp's errors hold the request's headers, and so the key, which would show when
somebody prints a cause or captures the local variables of a traceback.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp

from asyncscribe.api.protocol import Request
from asyncscribe.errors import ConnectFailed, ConnectionLost, ServiceTimeout, TransportError, UnreadableAnswer

#: Our error for each of aiohttp's; the first match counts, `aiohttp.ClientError` matches the rest.
_TRANSLATIONS: tuple[tuple[type[BaseException], type[TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, ConnectFailed),
    (aiohttp.ServerTimeoutError, ServiceTimeout),
    (aiohttp.ClientConnectorError, ConnectFailed),
    (aiohttp.ServerFingerprintMismatch, ConnectFailed),
    (aiohttp.ClientHttpProxyError, ConnectFailed),
    (aiohttp.InvalidURL, ConnectFailed),
    (aiohttp.NonHttpUrlClientError, ConnectFailed),
    (aiohttp.ClientPayloadError, UnreadableAnswer),
    (aiohttp.ClientResponseError, UnreadableAnswer),
    (TimeoutError, ServiceTimeout),
    (ssl.SSLError, ConnectionLost),
    (OSError, ConnectionLost),
    (aiohttp.ClientError, ConnectionLost),
)
TRANSLATED = (aiohttp.ClientError, OSError)
CERTIFICATE_HINT = (
    "; if a private authority signs here, name its file in the environment variable SSL_CERT_FILE, "
    "or pass ssl_context=ssl.create_default_context(cafile=...)"
)


def translate(request: Request[Any], error: BaseException, *, left: bool = True) -> TransportError:
    """This library's error for one of aiohttp's (or of the system's).

    Args:
        request: The request that failed.
        error: The exception.
        left: Whether a byte of the request may have been written; if not, the service can't have acted.
    """
    for theirs, ours in _TRANSLATIONS:
        if isinstance(error, theirs):
            # aiohttp adds this for addresses without TLS as well.
            problem = str(error).replace(" ssl:default", "") or type(error).__name__
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                problem += CERTIFICATE_HINT
            return (ours if left else ConnectFailed)(str(request), problem)
    raise TypeError(f"not an error of a connection: {error!r}")

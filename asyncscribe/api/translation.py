"""The errors of aiohttp and of the system, said in ours.

They are replaced and not chained: aiohttp's errors hold the headers of the request, and so the key, for whoever prints
a cause or captures the local variables of a traceback.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp

from asyncscribe.api.protocol import Request
from asyncscribe.errors import ConnectFailed, ConnectionLost, ServiceTimeout, TransportError, UnreadableAnswer

#: How aiohttp's errors read in ours; the first match counts, `aiohttp.ClientError` matches the rest.
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
    """The error of ours that says what one of aiohttp's (or of the system's) means.

    Args:
        request: What was asked.
        error: What was raised.
        left: Whether a byte of the request may have been written; if not, the service can't have acted.
    """
    for theirs, ours in _TRANSLATIONS:
        if isinstance(error, theirs):
            # aiohttp says this of addresses without TLS as well.
            problem = str(error).replace(" ssl:default", "") or type(error).__name__
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                problem += CERTIFICATE_HINT
            return (ours if left else ConnectFailed)(str(request), problem)
    raise TypeError(f"not an error of a connection: {error!r}")

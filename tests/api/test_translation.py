import inspect
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from asyncscribe import errors
from asyncscribe.api import protocol
from asyncscribe.api.translation import translate
from asyncscribe.models.transcript import TranscriptId

GET = protocol.get_transcript(TranscriptId("t-1"))
KEY_OF_CONNECTION = ConnectionKey("api.test", 443, True, True, None, None, None)


def _made(kind):
    """An error of aiohttp's, whatever its constructor wants."""
    if issubclass(kind, aiohttp.InvalidURL):
        return kind("https://api.test", "text")
    error = kind.__new__(kind)
    OSError.__init__(error, 5, "text") if issubclass(kind, OSError) else Exception.__init__(error, "text")
    for name, value in {
        "_os_error": OSError(5, "text"),
        "_conn_key": KEY_OF_CONNECTION,
        "_certificate_error": ssl.CertificateError("text"),
        "status": 400,
        "message": "text",
        "request_info": type("Info", (), {"real_url": "https://api.test"}),
        "expected": b"",
        "got": b"",
        "host": "api.test",
        "port": 443,
    }.items():
        try:
            setattr(error, name, value)
        except AttributeError:
            continue
    return error


def _all_errors_of_aiohttp():
    return sorted(
        {
            kind
            for kind in vars(aiohttp).values()
            if inspect.isclass(kind) and issubclass(kind, aiohttp.ClientError | OSError)
        },
        key=lambda kind: kind.__name__,
    )


@pytest.mark.parametrize("kind", _all_errors_of_aiohttp())
def test_every_error_of_aiohttp_is_translated(kind):
    assert isinstance(translate(GET, _made(kind)), errors.TransportError)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (aiohttp.ClientConnectorDNSError, errors.ConnectFailed),
        (aiohttp.ClientConnectorCertificateError, errors.ConnectFailed),
        (aiohttp.ConnectionTimeoutError, errors.ConnectFailed),
        (aiohttp.SocketTimeoutError, errors.ServiceTimeout),
        (aiohttp.ServerDisconnectedError, errors.ConnectionLost),
        (aiohttp.ClientOSError, errors.ConnectionLost),
        (aiohttp.ClientPayloadError, errors.UnreadableAnswer),
    ],
)
def test_what_never_left_is_told_from_what_may_have_arrived(kind, ours):
    assert type(translate(GET, _made(kind))) is ours


def test_only_errors_of_a_connection_are_translated():
    with pytest.raises(TypeError):
        translate(GET, ValueError("ours"))

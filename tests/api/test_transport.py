import asyncio
import inspect
import logging
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from asyncscribe import errors
from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport, translate
from asyncscribe.events import RequestRetried, RequestsPaused
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import TranscriptId
from tests.api.conftest import BASE
from tests.support import KEY

pytestmark = pytest.mark.looptime
GET = protocol.get_transcript(TranscriptId("t-1"))
URL = f"{BASE}/v2/transcript/t-1"
POST = protocol.create_transcript("https://a.test/b.mp3", TranscriptionConfig())
POST_URL = f"{BASE}/v2/transcript"
DOCUMENT = {"id": "t-1", "status": "queued"}


async def test_the_bare_key_and_the_version_are_sent(wire, transport):
    wire.get(URL, payload=DOCUMENT)
    assert await transport.send(GET) == DOCUMENT
    (sent,) = wire.sent("GET", "/v2/transcript/t-1")
    assert sent["headers"]["Authorization"] == KEY
    assert sent["allow_redirects"] is False


async def test_a_body_of_json_is_sent_as_such(wire, transport):
    wire.post(POST_URL, payload=DOCUMENT)
    await transport.send(POST)
    (sent,) = wire.sent("POST", "/v2/transcript")
    assert sent["json"] == {"audio_url": "https://a.test/b.mp3"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
async def test_a_passing_failure_of_a_safe_request_is_retried(wire, transport, status):
    wire.get(URL, status=status, body="<html>oops</html>")
    wire.get(URL, payload=DOCUMENT)
    assert await transport.send(GET) == DOCUMENT
    assert transport.statistics().retries == 1
    assert isinstance(transport.told[0], RequestRetried)


@pytest.mark.parametrize("body", ['{"id": "t-1", "sta', "", "<html>", "[]"])
async def test_a_cut_or_foreign_body_is_retried(wire, transport, body):
    wire.get(URL, body=body)
    wire.get(URL, payload=DOCUMENT)
    assert await transport.send(GET) == DOCUMENT


async def test_a_lost_connection_is_retried(wire, transport):
    wire.get(URL, exception=aiohttp.ServerDisconnectedError())
    wire.get(URL, exception=aiohttp.ClientPayloadError("cut"))
    wire.get(URL, payload=DOCUMENT)
    assert await transport.send(GET) == DOCUMENT


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_raised_at_once(wire, transport, status):
    wire.get(URL, status=status, payload={"error": "no"})
    with pytest.raises(errors.APIError, match="no"):
        await transport.send(GET)
    assert transport.statistics().requests == 1


async def test_attempts_end(wire, transport):
    wire.get(URL, status=500, repeat=True)
    with pytest.raises(errors.ServerError):
        await transport.send(GET)
    assert transport.statistics().requests == 4


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500},
        {"status": 200, "body": "{"},
        {"exception": aiohttp.ServerDisconnectedError()},
        {"exception": aiohttp.SocketTimeoutError("silent")},
    ],
)
async def test_a_submission_in_doubt_is_not_repeated(wire, transport, failure):
    wire.post(POST_URL, **failure)
    with pytest.raises(errors.ServiceError) as raised:
        await transport.send(POST)
    assert raised.value.may_have_acted
    assert len(wire.sent("POST", "/v2/transcript")) == 1


@pytest.mark.parametrize("failure", [{"status": 429}, {"exception": aiohttp.ConnectionTimeoutError("no route")}])
async def test_a_submission_that_was_not_taken_is_repeated(wire, transport, failure):
    wire.post(POST_URL, **failure)
    wire.post(POST_URL, payload=DOCUMENT)
    assert await transport.send(POST) == DOCUMENT


async def test_retry_after_in_seconds_pauses_every_request(wire, transport):
    wire.get(URL, status=429, headers={"Retry-After": "20"})
    wire.get(URL, payload=DOCUMENT)
    other = f"{BASE}/v2/transcript/t-2"
    wire.get(other, payload={"id": "t-2", "status": "queued"})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    first = asyncio.create_task(transport.send(GET))
    await asyncio.sleep(1)
    await transport.send(protocol.get_transcript(TranscriptId("t-2")))
    assert 20 <= loop.time() - begun <= 22
    assert await first == DOCUMENT
    assert any(isinstance(event, RequestsPaused) and event.seconds >= 20 for event in transport.told)


async def test_retry_after_as_a_date_is_kept(wire, transport):
    then = datetime.now(UTC) + timedelta(seconds=60)
    wire.get(URL, status=503, headers={"Retry-After": format_datetime(then, usegmt=True)})
    wire.get(URL, payload=DOCUMENT)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await transport.send(GET)
    assert 57 <= loop.time() - begun <= 62


async def test_a_redirect_is_an_error_for_the_key_must_not_follow_it(wire, transport):
    wire.get(URL, status=302, headers={"Location": "https://elsewhere.test/"})
    with pytest.raises(errors.BadRequest, match="redirect"):
        await transport.send(GET)


async def test_the_key_is_nowhere_to_be_seen(wire, transport, settings, caplog):
    caplog.set_level(logging.DEBUG)
    wire.get(URL, status=500, body=f'{{"error": "no such key {KEY}"}}')
    wire.get(URL, status=401, body=f'{{"error": "no such key {KEY}"}}')
    with pytest.raises(errors.AuthenticationError) as raised:
        await transport.send(GET)
    shown = [repr(raised.value), repr(transport), repr(settings), caplog.text, repr(transport.told)]
    assert not [text for text in shown if KEY in text]
    assert "no such key ***" in str(raised.value)


async def test_the_key_is_masked_in_answers_that_can_not_be_read(wire, transport):
    wire.get(URL, body=f"<html>Authorization: {KEY}</html>", repeat=True)
    with pytest.raises(errors.UnreadableAnswer, match=r"Authorization: \*\*\*") as raised:
        await transport.send(GET)
    assert KEY not in str(raised.value)
    assert KEY not in repr(transport.told)


async def test_a_closed_transport_says_so(settings):
    transport = Transport(settings)
    with pytest.raises(RuntimeError, match="not open"):
        await transport.send(GET)
    assert not transport.is_open


async def test_the_services_clock_is_known_from_its_answers(wire, transport):
    ahead = datetime.now(UTC) + timedelta(hours=1)
    wire.get(URL, payload=DOCUMENT, headers={"Date": format_datetime(ahead, usegmt=True)})
    await transport.send(GET)
    assert abs(transport.clock_ahead - timedelta(hours=1)) < timedelta(seconds=2)


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

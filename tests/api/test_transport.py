import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest

from asyncscribe import errors
from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport
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
OTHER = protocol.get_transcript(TranscriptId("t-2"))
OTHER_URL = f"{BASE}/v2/transcript/t-2"
DOCUMENT = {"id": "t-1", "status": "queued"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
async def test_a_passing_failure_of_a_safe_request_is_retried(wire, transport, status):
    wire.get(URL, status=status, body="<html>oops</html>")
    wire.get(URL, payload=DOCUMENT)
    assert (await transport.send(GET)).document == DOCUMENT
    assert transport.statistics().retries == 1
    assert any(isinstance(event, RequestRetried) for event in transport.told)


@pytest.mark.parametrize("body", ['{"id": "t-1", "sta', "", "<html>", "[]"])
async def test_a_cut_or_foreign_body_is_retried(wire, transport, body):
    wire.get(URL, body=body)
    wire.get(URL, payload=DOCUMENT)
    assert (await transport.send(GET)).document == DOCUMENT


async def test_a_lost_connection_is_retried(wire, transport):
    wire.get(URL, exception=aiohttp.ServerDisconnectedError())
    wire.get(URL, exception=aiohttp.ClientPayloadError("cut"))
    wire.get(URL, payload=DOCUMENT)
    assert (await transport.send(GET)).document == DOCUMENT


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
    assert (await transport.send(POST)).id == "t-1"


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
    assert (await first).id == "t-1"
    assert any(isinstance(event, RequestsPaused) and event.seconds >= 20 for event in transport.told)


async def test_retry_after_as_a_date_is_kept(wire, transport):
    then = datetime.now(UTC) + timedelta(seconds=60)
    wire.get(URL, status=503, headers={"Retry-After": format_datetime(then, usegmt=True)})
    wire.get(URL, payload=DOCUMENT)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await transport.send(GET)
    assert 57 <= loop.time() - begun <= 62


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

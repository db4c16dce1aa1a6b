import asyncio
import json

import aiohttp
import anyio
import httpx
import pytest
from aiohttp import web

from asyncscribe import ConfigurationError, TranscriptionConfig, TranscriptionFailed, webhooks
from asyncscribe.testing import Server
from asyncscribe.webhooks import RedactedAudioReady, TranscriptEnded, WebhookReceiver
from tests.support import recording

SECRET = "s3cret-of-the-hook"
ENDED = {"transcript_id": "t-1", "status": "completed"}
READY = {"status": "redacted_audio_ready", "redacted_audio_url": "https://a.test/x?sig=1"}
HEADERS = {"X-Hook": SECRET}


class Hook:
    """A receiver whose handler does what the test says."""

    def __init__(self, **options) -> None:
        self.received = []
        self.failures = 0
        self.release = anyio.Event()
        self.release.set()
        self.receiver = WebhookReceiver(self.handle, header_name="X-Hook", header_value=SECRET, **options)

    async def handle(self, notification) -> None:
        await self.release.wait()
        if self.failures:
            self.failures -= 1
            raise ValueError("the database fell down")
        self.received.append(notification)

    async def post(self, content, headers=HEADERS) -> int:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.receiver.receive(headers, body)


@pytest.fixture
async def hook(nothing_left):
    hook = Hook()
    async with hook.receiver:
        yield hook


async def test_both_kinds_are_read(hook):
    assert await hook.post(ENDED) == 200
    assert await hook.post(READY) == 200
    assert hook.received == [TranscriptEnded("t-1", "completed"), RedactedAudioReady("https://a.test/x?sig=1")]


@pytest.mark.parametrize("headers", [{}, {"X-Hook": ""}, {"X-Hook": SECRET + "x"}, {"X-Hook": "sécret"}, {"Y": SECRET}])
async def test_without_the_secret_nothing_gets_in(hook, headers):
    assert await hook.post(ENDED, headers) == 401
    assert hook.received == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", [], {"status": "completed"}, {"transcript_id": 1, "status": "error"}, {"status": "new"}, b"\xff"],
)
async def test_what_is_no_notification_is_refused(hook, content):
    assert await hook.post(content) == 400
    assert hook.received == []


async def test_what_is_too_large_is_refused(hook):
    async def endless():
        while True:
            yield b" " * 10_000

    assert await hook.receiver.receive(HEADERS, endless()) == 413
    assert await hook.post(b" " * (webhooks.LARGEST_BODY + 1)) == 413


async def test_a_repeat_is_answered_and_not_handled_again(hook):
    assert [await hook.post(ENDED) for _ in range(3)] == [200] * 3
    assert len(hook.received) == 1
    assert await hook.post(ENDED | {"status": "error"}) == 200
    assert len(hook.received) == 2


async def test_repeats_at_the_same_time_are_handled_once(hook):
    hook.release = anyio.Event()
    posts = [asyncio.create_task(hook.post(ENDED)) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    hook.release.set()
    assert [await post for post in posts] == [200] * 3
    assert len(hook.received) == 1


async def test_a_handler_that_fails_is_called_again_on_the_repeat(hook, caplog):
    hook.failures = 1
    assert await hook.post(ENDED) == 500
    assert "the database fell down" in caplog.text
    assert await hook.post(ENDED) == 200
    assert len(hook.received) == 1


@pytest.mark.looptime
async def test_a_handler_that_takes_long_does_not_hold_the_answer_up(nothing_left):
    hook = Hook()
    hook.release = anyio.Event()
    async with hook.receiver:
        begun = asyncio.get_running_loop().time()
        assert await hook.post(ENDED) == 200
        assert asyncio.get_running_loop().time() - begun < 10
        assert hook.received == []
        hook.release.set()
        await asyncio.sleep(0.1)
        assert len(hook.received) == 1


@pytest.mark.looptime
async def test_too_much_at_once_is_put_off(nothing_left, monkeypatch):
    monkeypatch.setattr(webhooks, "BACKGROUND", 1)
    hook = Hook()
    hook.release = anyio.Event()
    async with hook.receiver:
        assert await hook.post(ENDED) == 200
        assert await hook.post(READY) == 503


async def test_only_so_many_are_remembered(hook, monkeypatch):
    monkeypatch.setattr(webhooks, "REMEMBERED", 2)
    for number in range(5):
        await hook.post(ENDED | {"transcript_id": str(number)})
    assert len(hook.receiver._handled) == 2


@pytest.mark.parametrize(
    "options", [{"header_name": "X"}, {"header_value": "y"}, {"header_name": "", "header_value": ""}]
)
def test_half_a_secret_is_refused(options):
    with pytest.raises(ConfigurationError, match="go together"):
        WebhookReceiver(None, **options)


async def test_without_a_secret_everybody_is_heard(nothing_left):
    hook = Hook()
    async with WebhookReceiver(hook.handle) as receiver:
        assert await receiver.receive({}, json.dumps(ENDED).encode()) == 200


async def test_in_aiohttp_with_the_servers_own_webhooks(nothing_left):
    hook = Hook()
    app = web.Application()
    app.cleanup_ctx.append(hook.receiver.lifespan)
    app.router.add_post("/hook", hook.receiver.aiohttp_handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?job=7"
    config = TranscriptionConfig().with_webhook(url, header_name="X-Hook", header_value=SECRET)
    async with Server() as server, server.client(resubmission=0) as client:
        server.then(text="Good morning.")
        server.then(error="Transcoding failed.")
        transcript = await client.transcribe(recording(), config)
        while not hook.received:
            await asyncio.sleep(0.001)
        while server.records[0].document["webhook_status_code"] is None:
            await asyncio.sleep(0.001)
        assert hook.received == [TranscriptEnded(transcript.id, "completed")]
        assert (await client.get(transcript.id)).webhook_status_code == 200
        assert (await client.get(transcript.id)).webhook_auth is True
        with pytest.raises(TranscriptionFailed) as failure:
            await client.transcribe(recording(), config)
        while len(hook.received) < 2:
            await asyncio.sleep(0.001)
        assert hook.received[1] == TranscriptEnded(failure.value.transcript.id, "error")
    async with aiohttp.ClientSession() as http, http.post(url, json=ENDED) as response:
        assert response.status == 401
    await runner.cleanup()


async def test_in_starlette_as_documented(hook):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    receiver = hook.receiver

    async def endpoint(request):
        status = await receiver.receive(request.headers, request.stream())
        return Response(status_code=status)

    app = Starlette(routes=[Route("/hook", endpoint, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
        assert (await http.post("/hook", json=ENDED, headers=HEADERS)).status_code == 200
        assert (await http.post("/hook", json=ENDED)).status_code == 401
        assert (await http.post("/hook", content=b"x", headers=HEADERS)).status_code == 400
    assert len(hook.received) == 1
    assert "status = await receiver.receive(request.headers, request.stream())" in webhooks.__doc__

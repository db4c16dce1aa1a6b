"""Webhooks are sent as the service does it."""

import asyncio
from itertools import pairwise

import aiohttp
import pytest
from aiohttp import web

from asyncscribe.server import LocalServer
from asyncscribe.server.notify import ATTEMPTS, PAUSE, notify
from tests.support import KEY, open_client, recording


@pytest.mark.looptime
async def test_the_server_repeats_as_the_service_does(nothing_left):
    asked = []

    async def answer(request):
        asked.append(await request.json())
        return web.Response(status=(500, 503, 204)[len(asked) - 1] if "refuse" not in request.path else 404)

    app = web.Application()
    app.router.add_post("/{name}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with LocalServer(api_key=KEY) as server, open_client(server) as client:
        await client.transcribe(recording(), {"webhook_url": f"{base}/repeat"})
        await asyncio.sleep(60)
        assert len(asked) == 3
        assert server.records[0].document["webhook_status_code"] == 204
        await client.transcribe(recording("b"), {"webhook_url": f"{base}/refuse"})
        await client.transcribe(recording("c"), {"webhook_url": "http://127.0.0.1:1/nobody"})
        await asyncio.sleep(600)
        assert len(asked) == 4
        assert [record.document["webhook_status_code"] for record in server.records[1:]] == [404, None]
    await runner.cleanup()


@pytest.fixture
async def hook(nothing_left):
    """Answers with the statuses that it was given, then with 200; remembers what it was sent and when."""
    statuses, received = [], []

    async def answer(request):
        moment = asyncio.get_running_loop().time()
        received.append((moment, request.headers.get("X-Hook"), await request.json()))
        return web.Response(status=statuses.pop(0) if statuses else 200)

    app = web.Application()
    app.router.add_post("/hook", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", statuses, received
    await runner.cleanup()


async def sent(url, header=None):
    async with aiohttp.ClientSession() as session:
        return await notify(session, url, header, {"status": "completed"})


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("answers", "status", "count"),
    [([], 200, 1), ([204], 204, 1), ([404, 200], 404, 1), ([500, 302, 200], 200, 3), ([503] * 20, 503, ATTEMPTS)],
)
async def test_it_is_repeated_until_it_is_taken_or_refused(hook, answers, status, count):
    url, statuses, received = hook
    statuses += answers
    assert await sent(url) == status
    assert len(received) == count
    moments = [moment for moment, _, _ in received]
    assert all(later - earlier >= PAUSE for earlier, later in pairwise(moments))


async def test_the_header_that_was_asked_for_comes_with_it(hook):
    url, _, received = hook
    await sent(url, ("X-Hook", "s3cret"))
    await sent(url)
    assert [(header, content) for _, header, content in received] == [
        ("s3cret", {"status": "completed"}),
        (None, {"status": "completed"}),
    ]


@pytest.mark.looptime
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody", "nonsense", "http://[sig/"])
async def test_where_nobody_answers_there_is_no_status(url):
    assert await sent(url) is None

import asyncio

import pytest

from asyncscribe import FixedLimit, ServerError, UnreadableAnswer, sources
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.uploads import Uploader
from asyncscribe.server import faults

UPLOAD = ("POST", "/v2/upload")


@pytest.fixture
def uploader(client):
    return Uploader(client._parts.transport, Limiter(FixedLimit(2)))


async def test_an_upload_gives_the_services_url(server, uploader):
    url = await uploader.upload(await sources.resolve(b"abc"))
    assert url.startswith(f"{server.base_url}/upload/")


@pytest.mark.parametrize("answer", ["{}", '{"upload_url": ""}', '{"upload_url": 3}'])
async def test_an_answer_without_a_url_is_unreadable(server, uploader, answer):
    server.faults.script(*UPLOAD, *[faults.Answer(200, answer)] * 9)
    with pytest.raises(UnreadableAnswer, match="no upload_url"):
        await uploader.upload(await sources.resolve(b"abc"))


@pytest.mark.parametrize("fault", [faults.Answer(500), faults.Answer(422), faults.Drop(), faults.CutBody()])
async def test_a_failed_upload_is_repeated(server, uploader, fault):
    server.faults.script(*UPLOAD, fault)
    assert await uploader.upload(await sources.resolve(b"abc"))
    assert server.requests["POST /v2/upload"] == 2


@pytest.mark.looptime
async def test_only_so_many_go_on_at_once(server, uploader):
    active = most = 0

    async def stream():
        nonlocal active, most
        active += 1
        most = max(most, active)
        yield b"abc"
        await asyncio.sleep(1)
        active -= 1

    await asyncio.gather(*[uploader.upload(await sources.resolve(stream())) for _ in range(8)])
    assert most == 2


@pytest.mark.looptime
async def test_an_interactive_upload_waits_for_one_of_the_bulk_and_not_for_all(server, client):
    """L1: it waited behind 24."""
    uploader = Uploader(client._parts.transport, Limiter(FixedLimit(2)))
    order = []

    async def stream(name):
        order.append(name)
        yield b"abc"
        await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        for number in range(24):
            group.create_task(uploader.upload(await sources.resolve(stream(number))))
        await asyncio.sleep(0.5)
        group.create_task(uploader.upload(await sources.resolve(stream("urgent")), priority=1))
    assert order[:2] == [0, 1]
    assert order[2] == "urgent"


async def test_a_stream_that_failed_says_why_it_was_not_repeated(server, uploader):
    """L9: the message did not say it."""
    server.faults.script(*UPLOAD, faults.Answer(503))
    with pytest.raises(ServerError, match=r"can be read once.*spool="):
        await uploader.upload(await sources.resolve(chunks()))


async def chunks(count=5):
    for number in range(count):
        yield bytes([number]) * 1000

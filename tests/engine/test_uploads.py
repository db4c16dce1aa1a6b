import asyncio

import pytest

from asyncscribe import FixedLimit, UnreadableAnswer, sources
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.uploads import Uploader
from asyncscribe.server import faults

UPLOAD = ("POST", "/v2/upload")


@pytest.fixture
def uploader(client):
    return Uploader(client._transport, Limiter(FixedLimit(2)))


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


async def test_only_so_many_go_on_at_once(server, uploader):
    active = most = 0

    async def stream():
        nonlocal active, most
        active += 1
        most = max(most, active)
        yield b"abc"
        await asyncio.sleep(0.01)
        active -= 1

    await asyncio.gather(*[uploader.upload(await sources.resolve(stream())) for _ in range(8)])
    assert most == 2

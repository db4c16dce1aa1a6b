"""L9: an upload of an async iterable failed on one 503."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from asyncscribe import ServerError, SourceError, sources
from asyncscribe.engine import spool
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.spool import Spool
from asyncscribe.engine.uploads import Uploader
from asyncscribe.policies.limits import FixedLimit
from asyncscribe.server import LocalServer, faults
from tests.support import open_client

SIZE = 4_000
UPLOAD = ("POST", "/v2/upload")
CONTENT = b"".join(bytes([number]) * SIZE for number in range(5))


async def stream(pause=0.0):
    for number in range(5):
        yield bytes([number]) * SIZE
        await asyncio.sleep(pause)


@pytest.fixture
def uploader(client):
    return Uploader(client._parts.transport, Limiter(FixedLimit(2)), spool=10 * SIZE)


def received(server, url) -> bytes:
    return server._storage.use("/".join(url.split("/")[-2:])).read_bytes()


async def read(body) -> bytes:
    async with body.open() as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("fault", [faults.Answer(503), faults.Drop(), faults.CutBody(), faults.Answer(500)])
async def test_a_stream_is_sent_again(server, uploader, fault):
    server.faults.script(*UPLOAD, fault, fault)
    url = await uploader.upload(await sources.resolve(stream()))
    assert server.requests["POST /v2/upload"] == 3
    assert received(server, url) == CONTENT


@pytest.mark.looptime
async def test_one_whose_service_answers_before_it_has_read_all_loses_nothing(server, uploader):
    """The attempt's end cancels whatever reads the stream at that moment."""
    server.faults.script(*UPLOAD, faults.Answer(503), faults.Answer(503))
    url = await uploader.upload(await sources.resolve(stream(pause=1)))
    assert received(server, url) == CONTENT


async def test_an_attempt_goes_on_where_the_stream_was_cut():
    async with Spool(await sources.resolve(stream()), 10 * SIZE) as body:
        async with body.open() as chunks:
            assert await anext(chunks) == CONTENT[:SIZE]
            assert await anext(chunks) == CONTENT[SIZE : 2 * SIZE]
        assert body.repeatable
        assert await read(body) == CONTENT
        assert await read(body) == CONTENT


async def test_a_reader_that_is_cancelled_takes_nothing_with_it():
    go_on = asyncio.Event()

    async def slow():
        yield b"a"
        await go_on.wait()
        yield b"b"

    async with Spool(await sources.resolve(slow()), 10) as body:
        reader = asyncio.create_task(read(body))
        while not body._kept:
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        go_on.set()
        assert await read(body) == b"ab"


async def test_a_stream_that_is_too_long_is_sent_once(server, uploader):
    uploader = Uploader(uploader._transport, Limiter(FixedLimit(1)), spool=5 * SIZE // 2)
    url = await uploader.upload(await sources.resolve(stream()))
    assert received(server, url) == CONTENT
    async with Spool(await sources.resolve(stream()), 5 * SIZE // 2) as body:
        assert await read(body) == CONTENT
        assert not body.repeatable
        with pytest.raises(SourceError, match="longer than the 10000 bytes"):
            await read(body)


async def test_a_full_disk_keeps_no_stream_from_being_sent(server, uploader, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool._File, "write", full)
    url = await uploader.upload(await sources.resolve(stream()))
    assert received(server, url) == CONTENT
    assert "No space left" in caplog.text


@pytest.mark.parametrize("problem", [ValueError("no more"), SourceError("call.wav", "no more")])
async def test_what_a_stream_raises_is_a_source_error(server, uploader, problem):
    async def broken():
        yield b"abc"
        raise problem

    with pytest.raises(SourceError, match="no more"):
        await uploader.upload(await sources.resolve(broken()))


async def test_the_file_is_gone_with_the_upload_however_that_ends(server, uploader, nothing_left):
    hanging = asyncio.Event()

    async def endless():
        yield b"abc"
        hanging.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(uploader.upload(await sources.resolve(endless())))
    await hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [path for path in Path(tempfile.gettempdir()).iterdir() if path.is_file()]


async def test_a_client_keeps_streams_if_it_is_told_to(nothing_left):
    async with LocalServer() as server:
        server.faults.script(*UPLOAD, faults.Answer(503))
        async with open_client(server, spool=10 * SIZE) as client:
            assert (await client.transcribe(stream())).text
        server.faults.script(*UPLOAD, faults.Answer(503))
        async with open_client(server) as client:
            with pytest.raises(ServerError, match=r"AsyncClient\(spool=bytes\)"):
                await client.transcribe(stream())

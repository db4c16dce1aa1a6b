"""Recordings from foreign URLs: of a real server on loopback."""

import pytest
from aiohttp import web

from asyncscribe.server import fetch
from asyncscribe.server.engines.base import EngineError
from asyncscribe.server.fetch import Fetcher
from asyncscribe.server.storage import Storage


async def answer(request):
    match request.path:
        case "/moved.wav":
            raise web.HTTPFound("/a.wav")
        case "/cut.wav":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"abc")
            request.transport.close()
            return response
        case "/404" | "/503":
            return web.Response(status=int(request.path[1:]), text="s3cret page")
    return web.Response(body=b"abc")


@pytest.fixture
async def site(nothing_left):
    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def storage():
    opened = Storage()
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def fetcher(site, storage):
    opened = Fetcher(storage)
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("name", ["a.wav", "moved.wav"])
async def test_what_is_behind_an_address_is_stored(site, fetcher, storage, name):
    key = await fetcher.fetch(f"{site}/{name}")
    assert storage.use(key).read_bytes() == b"abc"


@pytest.mark.parametrize(("status", "side"), [(404, "Client"), (503, "Server")])
async def test_an_error_says_whose_it_is_and_nothing_of_the_page(site, fetcher, storage, status, side):
    with pytest.raises(EngineError, match=f"Download error to {site}/{status}, {status} {side} Error") as error:
        await fetcher.fetch(f"{site}/{status}")
    assert "s3cret" not in str(error.value)
    assert list(storage.folder.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.wav", "http://", "https://[sig/a.mp3", "nonsense", "/cut.wav"])
async def test_what_can_not_be_had_whole_is_unavailable_and_not_kept(site, fetcher, storage, url):
    with pytest.raises(EngineError, match="Download error, unable to download"):
        await fetcher.fetch(f"{site}{url}" if url.startswith("/") else url)
    assert list(storage.folder.iterdir()) == []


async def test_what_is_too_large_is_unavailable_and_not_kept(site, fetcher, storage, monkeypatch):
    monkeypatch.setattr(fetch, "LARGEST_DOWNLOAD", 2)
    with pytest.raises(EngineError, match="unable to download"):
        await fetcher.fetch(f"{site}/a.wav")
    assert list(storage.folder.iterdir()) == []


async def test_closed_it_says_so(site, storage):
    fetcher = Fetcher(storage)
    await fetcher.close()
    with pytest.raises(RuntimeError, match="not open"):
        await fetcher.fetch(f"{site}/a.wav")

import asyncio
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from asyncscribe import ConnectionLost, SourceError, Timeouts, UploadStalled, sources
from asyncscribe.api import protocol
from asyncscribe.api.transport import Transport
from asyncscribe.settings import Settings
from tests.support import KEY, RETRY

MEBIBYTE = 1024 * 1024


class RawServer:
    """Answers uploads by script, and reads only when it likes."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[int] = []
        self.stalls = 0
        self.drops = 0
        self.asked = asyncio.Event()
        self.release = asyncio.Event()

    async def handle(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.heads.append(head)
            self.asked.set()
            if self.stalls:
                self.stalls -= 1
                await self.release.wait()
                return
            if self.drops:
                self.drops -= 1
                return
            if "content-length:" in head:
                length = int(head.partition("content-length:")[2].partition("\r\n")[0])
                left = length
                while left and (chunk := await reader.read(MEBIBYTE)):
                    left -= len(chunk)
                self.bodies.append(length - left)
            else:
                self.bodies.append(await self.read_chunked(reader))
            answer = b'{"upload_url": "https://cdn.test/upload/1"}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def read_chunked(self, reader) -> int:
        total = 0
        while size := int(await reader.readline(), 16):
            total += len(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return total


@asynccontextmanager
async def raw_transport(timeouts=None):
    raw = RawServer()
    server = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Settings(api_key=KEY, base_url=f"http://127.0.0.1:{port}")
    async with Transport(settings, retry=RETRY, timeouts=timeouts or Timeouts(stall=0.2)) as transport:
        yield raw, transport
        raw.release.set()
    server.close()
    await server.wait_closed()


async def upload(transport, source, progress=None):
    return await transport.send(protocol.upload(), await sources.resolve(source), progress)


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.wav"
    path.write_bytes(b"x" * (16 * MEBIBYTE))
    return path


async def test_a_file_is_sent_with_its_length(nothing_left, large):
    async with raw_transport() as (raw, transport):
        sent = []
        await upload(transport, large, sent.append)
    assert raw.bodies == [16 * MEBIBYTE]
    assert "content-type: application/octet-stream" in raw.heads[0]
    assert "transfer-encoding" not in raw.heads[0]
    assert sent[-1] == 16 * MEBIBYTE
    assert sent == sorted(sent)


async def test_a_stream_of_unknown_length_is_sent_in_chunks(nothing_left):
    async def stream():
        for _ in range(3):
            yield b"y" * 1000

    async with raw_transport() as (raw, transport):
        await upload(transport, stream())
    assert raw.bodies == [3000]
    assert "transfer-encoding: chunked" in raw.heads[0]


async def test_a_server_that_stops_reading_is_noticed_and_the_upload_repeated(nothing_left, large):
    async with raw_transport() as (raw, transport):
        raw.stalls = 1
        await upload(transport, large)
    assert raw.bodies == [16 * MEBIBYTE]
    assert transport.statistics().retries == 1


async def test_a_server_that_never_reads_ends_in_an_error_that_says_so(nothing_left, large):
    async with raw_transport(Timeouts(stall=0.05)) as (raw, transport):
        raw.stalls = 99
        with pytest.raises(UploadStalled, match=r"nothing was taken for 0\.05 s"):
            await upload(transport, large)


@pytest.mark.looptime
async def test_a_slow_source_is_not_taken_for_a_stalled_server(nothing_left):
    async def slow():
        yield b"a"
        await asyncio.sleep(30)
        yield b"b"

    async with raw_transport(Timeouts(stall=10)) as (raw, transport):
        await upload(transport, slow())
    assert raw.bodies == [2]


async def test_a_broken_upload_of_a_file_starts_over(nothing_left, large):
    async with raw_transport() as (raw, transport):
        raw.drops = 2
        await upload(transport, large)
    assert raw.bodies == [16 * MEBIBYTE]


async def test_a_stream_is_not_repeated_once_it_was_read(nothing_left):
    async def stream():
        for _ in range(64):
            yield b"z" * MEBIBYTE

    async with raw_transport() as (raw, transport):
        raw.drops = 1
        with pytest.raises(ConnectionLost):
            await upload(transport, stream())
    assert len(raw.heads) == 1


async def test_a_stream_is_repeated_while_nothing_of_it_was_read(nothing_left):
    async def stream():
        yield b"z"

    async with raw_transport() as (raw, transport):
        reachable = transport._connection._base
        transport._connection._base = URL("http://127.0.0.1:1")

        def now_it_can_be_reached(event) -> None:
            transport._connection._base = reachable

        transport._emit = now_it_can_be_reached
        await upload(transport, stream())
    assert raw.bodies == [1]
    assert transport.statistics().retries == 1


async def test_a_file_that_shrinks_meanwhile_is_an_error_of_the_source(nothing_left, tmp_path):
    path = tmp_path / "growing.wav"
    path.write_bytes(b"x" * 100)
    source = await sources.resolve(path)
    async with raw_transport() as (_, transport):
        path.write_bytes(b"x" * 50)
        with pytest.raises(SourceError, match="shrank"):
            await transport.send(protocol.upload(), source)
        path.write_bytes(b"x" * 150)
        with pytest.raises(SourceError, match="grew"):
            await transport.send(protocol.upload(), source)
        path.unlink()
        with pytest.raises(SourceError, match="no such file"):
            await transport.send(protocol.upload(), source)


async def test_a_cancelled_upload_leaves_nothing_behind(nothing_left, large):
    async with raw_transport(Timeouts()) as (raw, transport):
        raw.stalls = 1
        task = asyncio.create_task(upload(transport, large))
        await raw.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

import io
import os

import aiofiles
import pytest

from asyncscribe import SourceError
from asyncscribe.bodies import CHUNK_BYTES, LocalFile, Stream
from asyncscribe.sources import resolve


async def content(source) -> list[bytes]:
    async with source.open() as chunks:
        return [chunk async for chunk in chunks]


async def stream(*chunks):
    for chunk in chunks:
        yield chunk


@pytest.fixture
def audio(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(os.urandom(CHUNK_BYTES + 10))
    return path


async def test_a_path_is_read_in_chunks_and_again(audio):
    for given in (audio, str(audio)):
        source = await resolve(given)
        assert isinstance(source, LocalFile)
        assert source.size == CHUNK_BYTES + 10
        for _ in range(2):
            assert source.repeatable
            chunks = await content(source)
            assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, 10]
            assert b"".join(chunks) == audio.read_bytes()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_are_sent_in_pieces(kind):
    data = b"ab" * CHUNK_BYTES
    source = await resolve(kind(data))
    assert source.size == len(data)
    assert b"".join(await content(source)) == data
    assert b"".join(await content(source)) == data


async def test_an_open_file_is_read_from_where_it_stands_and_again(audio):
    with audio.open("rb") as file:
        file.seek(5)
        source = await resolve(file)
        assert source.size == CHUNK_BYTES + 5
        for _ in range(2):
            assert b"".join(await content(source)) == audio.read_bytes()[5:]
        assert not file.closed


async def test_an_open_aiofile_works_too(audio):
    async with aiofiles.open(audio, "rb") as file:
        source = await resolve(file)
        assert source.size == CHUNK_BYTES + 10
        assert b"".join(await content(source)) == audio.read_bytes()


async def test_a_file_in_memory_works_too():
    source = await resolve(io.BytesIO(b"abc"))
    assert source.size == 3
    assert await content(source) == [b"abc"]


async def test_a_file_that_can_not_be_rewound_is_a_stream():
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as file:
        source = await resolve(file)
        assert source.size is None
        assert await content(source) == [b"abc"]
        assert not source.repeatable


async def test_a_named_pipe_is_a_stream(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = await resolve(path)
    assert source.size is None
    descriptor = os.open(path, os.O_RDWR)
    os.write(descriptor, b"abc")
    async with source.open() as chunks:
        assert await anext(chunks) == b"abc"
        os.close(descriptor)
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


async def test_a_stream_is_read_once_without_its_empty_chunks():
    source = await resolve(stream(b"", b"a", b"", b"b"))
    assert isinstance(source, Stream)
    assert source.repeatable
    assert await content(source) == [b"a", b"b"]
    assert not source.repeatable
    with pytest.raises(SourceError, match="once"):
        await content(source)


async def test_a_stream_that_fails_is_a_bad_source():
    async def broken():
        yield b"a"
        raise ValueError("the microphone fell down")

    with pytest.raises(SourceError, match="microphone") as raised:
        await content(await resolve(broken()))
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (stream(), "empty"),
        (stream("text"), "str, not bytes"),
    ],
)
async def test_a_stream_without_bytes_is_a_bad_source(given, problem):
    with pytest.raises(SourceError, match=problem):
        await content(await resolve(given))


async def test_a_text_file_in_memory_is_refused():
    with pytest.raises(SourceError, match="not bytes"):
        await content(await resolve(io.StringIO("abc")))

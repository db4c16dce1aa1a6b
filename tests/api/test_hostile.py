"""A service, or whoever answers in its place, that lies, floods or never ends: bounded, a clear error, nothing lost."""

import asyncio
import gzip
import json
import os
import tracemalloc
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncscribe import AsyncClient, AsyncscribeError, SubmissionPolicy, Timeouts, UnreadableAnswer
from asyncscribe.api import protocol, streams
from asyncscribe.api.pages import ListPage
from asyncscribe.errors import BadRequest, ServiceError, TransportError
from asyncscribe.models.notifications import RedactedAudioReady, TranscriptEnded, parse_notification
from asyncscribe.models.transcript import Transcript, TranscriptId
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.server import faults
from tests.support import KEY, POLLING, recording

#: Inputs of each kind; more by the variable of the environment.
EXAMPLES = int(os.environ.get("ASYNCSCRIBE_EXAMPLES", "100"))
ONCE = RetryPolicy(attempts=1, patience=0)


@asynccontextmanager
async def service(answer):
    """A server that answers every request with whatever `answer(writer, head)` writes."""
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(writer, head.decode())
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def fixed(*parts, status="200 OK"):
    async def answer(writer, head) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n".encode() + b"".join(parts))
        await writer.drain()

    return answer


async def ask(base_url, **arguments):
    async with AsyncClient(KEY, base_url, retry=ONCE, **arguments) as client:
        return await client.get("abc")


async def test_an_answer_without_end_is_given_up(nothing_left, monkeypatch):
    monkeypatch.setattr(streams, "LARGEST_ANSWER", 1024 * 1024)

    async def answer(writer, head) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
            await writer.drain()

    async with service(answer) as url:
        with pytest.raises(UnreadableAnswer, match="longer than 1048576 bytes"):
            await ask(url)


@pytest.mark.looptime
async def test_one_that_drips_without_end_is_given_up(nothing_left):
    async def answer(writer, head) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\na\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    async with service(answer) as url:
        with pytest.raises(TransportError):
            await ask(url, timeouts=Timeouts(request=30))


async def test_a_bomb_is_not_unpacked(nothing_left, monkeypatch):
    """64 MiB of zeros in 64 KiB."""
    monkeypatch.setattr(streams, "LARGEST_ANSWER", 4 * 1024 * 1024)
    bomb = gzip.compress(b"\0" * 64 * 1024 * 1024, compresslevel=9)
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    async with service(fixed(head, bomb)) as url:
        tracemalloc.start()
        try:
            with pytest.raises(UnreadableAnswer, match="longer than"):
                await ask(url)
            assert tracemalloc.get_traced_memory()[1] < 24 * 1024 * 1024
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"id":' * 200_000,
        b'{"transcripts":' + b"[" * 200_000,
        b'{"id": "a", "words": ' + b"[" * 200_000,
    ],
)
async def test_deep_json_is_unreadable_and_no_crash(nothing_left, body):
    async with service(fixed(f"Content-Length: {len(body)}\r\n\r\n".encode(), body)) as url:
        async with AsyncClient(KEY, url, retry=ONCE) as client:
            with pytest.raises(UnreadableAnswer):
                await client.get("abc")
            with pytest.raises(UnreadableAnswer):
                await anext(client.list())
            with pytest.raises(UnreadableAnswer):
                await client.sentences("abc")


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(100_000)) + b"\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"Date: never\r\nContent-Length: 2\r\n\r\n{}",
        b"\x00\xff: \xff\r\n\r\n",
    ],
)
async def test_odd_heads_are_clear_errors(nothing_left, head):
    async with service(fixed(head)) as url:
        with pytest.raises(ServiceError):
            await ask(url, timeouts=Timeouts(request=5))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(nothing_left, status):
    seen = []

    async def elsewhere(writer, head) -> None:
        seen.append(head)

    async with service(elsewhere) as other:
        target = f"Location: {other}/v2/transcript/abc\r\nContent-Length: 0\r\n\r\n".encode()
        async with service(fixed(target, status=status)) as url:
            with pytest.raises(BadRequest, match="redirect"):
                await ask(url)
    assert not seen


async def test_addresses_in_answers_get_no_request_and_no_key(nothing_left):
    """`prev_url` and `upload_url` that lead elsewhere."""
    seen, asked = [], []

    async def elsewhere(writer, head) -> None:
        seen.append(head)

    async def answer(writer, head) -> None:
        asked.append(head.split()[1])
        item = {"id": f"job-{len(asked)}", "status": "completed", "audio_url": "http://a.test"}
        details = {"prev_url": f"{other}/v2/transcript?before_id=x{len(asked)}" if len(asked) < 3 else None}
        body = json.dumps({"transcripts": [item], "page_details": details}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with service(elsewhere) as other, service(answer) as url, AsyncClient(KEY, url, retry=ONCE) as client:
        assert [item.id async for item in client.list()] == ["job-1", "job-2", "job-3"]
    assert not seen
    assert [path.partition("before_id=")[2].partition("&")[0] for path in asked] == ["", "x1", "x2"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.test/b", "", 5, None, {}])
async def test_an_upload_url_that_is_none_is_unreadable(nothing_left, url):
    body = json.dumps({"upload_url": url}).encode()
    async with service(fixed(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))) as base:
        async with AsyncClient(KEY, base, retry=ONCE) as client:
            with pytest.raises(UnreadableAnswer, match="upload_url"):
                await client.upload(b"abc")


async def test_a_submission_whose_answer_has_no_end_is_in_doubt_and_found(server, nothing_left, monkeypatch):
    """Not lost: the list knows it. Not paid twice."""
    monkeypatch.setattr(streams, "LARGEST_ANSWER", 100_000)
    quick = SubmissionPolicy(lookups=(0.01,), quiet=0.1)

    server.faults.script("POST", "/v2/transcript", faults.Answer(200, "x" * 200_000, when=faults.When.AFTER))
    async with AsyncClient(KEY, server.base_url, polling=POLLING, submission=quick) as client:
        transcript = await client.transcribe(recording())
    assert [record.id for record in server.records] == [transcript.id]


ID = TranscriptId("abc")
READERS = [
    (protocol.upload(), str),
    (protocol.create_transcript("https://a.test/b.mp3", protocol.TranscriptionConfig()), protocol.Created),
    (protocol.get_transcript(ID), Transcript),
    (protocol.list_transcripts(), ListPage),
    (protocol.derived(ID, "sentences"), dict),
    (protocol.subtitles(ID, "srt"), str),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.sampled_from(
    "id status text words utterances error audio_url transcripts page_details prev_url upload_url audio_duration "
    "confidence start end speaker throttled created completed transcript_id redacted_audio_url".split()
) | st.text(max_size=4)
values = st.recursive(
    scalars | st.sampled_from(["completed", "error", "queued", "abc", "https://a.test/?before_id=x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8),
    max_leaves=25,
)
bodies = st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode())
#: What every reader can read.
GOOD = b'{"id": "abc", "status": "queued", "upload_url": "https://a.test/b", "transcripts": [], "page_details": {}}'


@pytest.mark.parametrize(("request_", "kind"), READERS, ids=[str(request) for request, _ in READERS])
@given(body=bodies)
@example(body=GOOD)
@settings(max_examples=EXAMPLES)
def test_no_answer_crashes_a_reader(request_, kind, body):
    with suppress(UnreadableAnswer):
        assert isinstance(request_.read(request_, body), kind)


@given(
    status=st.integers(300, 599) | st.just(202),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=20), max_size=2),
    body=bodies,
)
@settings(max_examples=EXAMPLES)
def test_no_refusal_crashes_its_reader(status, headers, body):
    request = protocol.get_transcript(ID)
    error = protocol.api_error(request, status, headers, body, now=protocol.datetime.now(protocol.UTC))
    assert isinstance(error, AsyncscribeError)
    assert len(str(error)) < 5_000


@given(body=bodies)
@example(body=b'{"status": "completed", "transcript_id": "abc"}')
@settings(max_examples=EXAMPLES)
def test_no_body_crashes_the_reader_of_notifications(body):
    with suppress(ValueError):
        assert isinstance(parse_notification(body), TranscriptEnded | RedactedAudioReady)

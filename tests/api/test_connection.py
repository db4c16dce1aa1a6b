import asyncio
import json
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from asyncscribe import ConfigurationError, errors
from asyncscribe.api import protocol
from asyncscribe.api.connection import Connection
from asyncscribe.api.network import Network, proxy_of_environment
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.server import LocalServer, faults
from asyncscribe.server.faults import When
from asyncscribe.settings import Settings, Timeouts
from tests.api.conftest import BASE
from tests.support import KEY, recording

GET = protocol.get_transcript(TranscriptId("t-1"))
URL = f"{BASE}/v2/transcript/t-1"
POST = protocol.create_transcript("https://a.test/b.mp3", TranscriptionConfig())
POST_URL = f"{BASE}/v2/transcript"
DOCUMENT = {"id": "t-1", "status": "queued"}


@pytest.fixture
async def real(server):
    """A connection to the local server."""
    async with Connection(Settings(api_key=KEY, base_url=server.base_url)) as opened:
        yield opened


def create(**rules) -> protocol.Request:
    return protocol.create_transcript(recording(**rules), TranscriptionConfig())


class Custody:
    """Notes what it is told, in order."""

    def __init__(self, stop: Exception | None = None) -> None:
        self.told: list[str] = []
        self.stop = stop

    def shielded(self):
        raise AssertionError("the transport's part")

    async def leaving(self) -> None:
        self.told.append("leaving")
        if self.stop is not None:
            raise self.stop

    def permit(self) -> None:
        self.told.append("permit")

    def answered(self, answer) -> None:
        self.told.append(f"answered {answer.id}")

    def failed(self, error) -> None:
        raise AssertionError("the transport's part")

    def cut_off(self, request) -> None:
        raise AssertionError("the transport's part")


async def test_the_bare_key_and_the_version_are_sent(wire, connection):
    wire.get(URL, payload=DOCUMENT)
    assert (await connection.exchange(GET)).document == DOCUMENT
    (sent,) = wire.sent("GET", "/v2/transcript/t-1")
    assert sent["headers"]["Authorization"] == KEY
    assert sent["allow_redirects"] is False


async def test_a_body_of_json_is_sent_as_such(wire, connection):
    wire.post(POST_URL, payload=DOCUMENT)
    await connection.exchange(POST)
    (sent,) = wire.sent("POST", "/v2/transcript")
    assert json.loads(await sent["data"].as_bytes()) == {"audio_url": "https://a.test/b.mp3"}
    assert sent["headers"]["Content-Type"] == "application/json"


async def test_a_redirect_is_an_error_for_the_key_must_not_follow_it(wire, connection):
    wire.get(URL, status=302, headers={"Location": "https://elsewhere.test/"})
    with pytest.raises(errors.BadRequest, match="redirect"):
        await connection.exchange(GET)


async def test_a_path_below_the_host_is_kept_and_queries_are_encoded(wire):
    async with Connection(Settings(api_key=KEY, base_url="https://proxy.test/assembly")) as below:
        wire.get("https://proxy.test/assembly/v2/transcript?limit=200&status=queued", payload={"transcripts": []})
        assert (await below.exchange(protocol.list_transcripts(status="queued"))).items == []
        search = protocol.derived(TranscriptId("t-1"), "word-search", words="a b,ü&c")
        wire.get(
            "https://proxy.test/assembly/v2/transcript/t-1/word-search?words=a%20b,%C3%BC%26c", payload={"matches": []}
        )
        assert await below.exchange(search) == {"matches": []}


async def test_the_services_clock_is_known_from_its_answers(wire, connection):
    ahead = datetime.now(UTC) + timedelta(hours=1)
    wire.get(URL, payload=DOCUMENT, headers={"Date": format_datetime(ahead, usegmt=True)})
    await connection.exchange(GET)
    assert abs(connection.clock_ahead() - 3600) < 2


async def test_a_closed_connection_says_so(settings):
    connection = Connection(settings)
    with pytest.raises(errors.NotOpen):
        await connection.exchange(GET)
    with pytest.raises(errors.NotOpen):
        async with connection.download("https://a.test/b"):
            pass
    assert not connection.is_open


async def test_custody_hears_of_the_first_byte_and_of_the_answer(server, real):
    custody = Custody()
    created = await real.exchange(create(), custody=custody)
    assert custody.told == ["leaving", "permit", f"answered {created.id}"]
    assert [record.id for record in server.records] == [created.id]


async def test_custody_can_stop_a_request_before_its_first_byte(server, real):
    with pytest.raises(errors.ConfigurationError, match="not ours"):
        await real.exchange(create(), custody=Custody(errors.ConfigurationError("not ours")))
    assert not server.requests


async def test_what_never_left_can_not_have_acted_whatever_the_error():
    """E16: a request that timed out before it had a connection was taken for one in doubt."""
    custody = Custody()
    blackhole = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, start_serving=False)
    port = blackhole.sockets[0].getsockname()[1]
    async with Connection(Settings(api_key=KEY, base_url=f"https://127.0.0.1:{port}"), Timeouts(connect=0.05)) as slow:
        # TLS is never answered: the connection stands, and the request is not sent.
        with pytest.raises(errors.ConnectFailed) as raised:
            await slow.exchange(create(), custody=custody)
    assert not raised.value.may_have_acted
    assert custody.told == []
    blackhole.close()


@pytest.mark.parametrize("fault", [faults.Drop(When.AFTER), faults.CutBody(), faults.Drop()])
async def test_what_has_left_may_have_acted(server, real, fault):
    server.faults.script("POST", "/v2/transcript", fault)
    custody = Custody()
    with pytest.raises(errors.TransportError) as raised:
        await real.exchange(create(), custody=custody)
    assert raised.value.may_have_acted
    assert custody.told == ["leaving", "permit"]


async def test_uploads_have_connections_of_their_own(server, real):
    """E16: slow uploads took the pool of a hundred from everybody."""

    class Slow:
        size, repeatable = None, False

        def __init__(self) -> None:
            self.release = asyncio.Event()

        def open(self):
            return self

        async def __aenter__(self):
            async def chunks():
                yield b"a"
                await self.release.wait()

            return chunks()

        async def __aexit__(self, *_):
            return None

    bodies = [Slow() for _ in range(110)]
    uploads = [asyncio.create_task(real.exchange(protocol.upload(), body)) for body in bodies]
    while server.requests["POST /v2/upload"] < 110:
        await asyncio.sleep(0.01)
    assert (await real.exchange(create())).id == server.records[0].id
    for body in bodies:
        body.release.set()
    assert len(set(await asyncio.gather(*uploads))) == 110


def shown_by(error: BaseException) -> str:
    """All that a tool which captures local variables shows of an error, of what it came from, and of their frames."""
    seen, texts = set(), []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts.append(repr(error) + repr(error.__dict__))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            # pytest's and the test's own frames know the key.
            if "asyncscribe/" in frame.f_code.co_filename or "aiohttp/" in frame.f_code.co_filename:
                texts += [repr(value) for value in frame.f_locals.values()]
        error = error.__cause__ or error.__context__
    return "".join(texts)


@pytest.mark.parametrize(
    "fault",
    [faults.Drop(), faults.CutBody(), faults.Answer(401, '{"error": "no"}'), faults.Answer(200, "<html>")],
    ids=["dropped", "cut", "refused", "unreadable"],
)
async def test_the_key_is_in_no_cause_and_in_no_local_variable(server, real, fault):
    """E18: `repr(error.__cause__)` held the request's headers, and so do tracebacks that capture locals."""
    server.faults.script("POST", "/v2/transcript", fault)
    with pytest.raises(errors.ServiceError) as raised:
        await real.exchange(create())
    assert KEY not in shown_by(raised.value)
    assert raised.value.__cause__ is None


async def test_the_key_is_in_no_cause_where_nobody_listens(settings):
    async with LocalServer(api_key=KEY) as gone:
        base_url = gone.base_url
    async with Connection(Settings(api_key=KEY, base_url=base_url)) as connection:
        with pytest.raises(errors.ConnectFailed) as raised:
            await connection.exchange(GET)
    assert KEY not in shown_by(raised.value)


async def test_a_signed_url_is_masked_in_every_error(wire, connection):
    signed = "https://bucket.test/a.mp3?X-Amz-Signature=sekret"
    wire.get(URL, status=400, payload={"error": f"Download error, unable to download {signed}."})
    with pytest.raises(errors.BadRequest) as raised:
        await connection.exchange(GET)
    assert "sekret" not in str(raised.value) + raised.value.message
    assert "https://bucket.test/a.mp3?***" in str(raised.value)
    with pytest.raises(errors.TransportError) as raised:
        async with connection.download("http://127.0.0.1:1/a.mp3?sig=sekret"):
            pass
    assert "sekret" not in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.test", None),
        ({"https_proxy": "http://proxy.test:3128"}, "https://api.test", "http://proxy.test:3128"),
        ({"https_proxy": "proxy.test:3128"}, "https://api.test", "http://proxy.test:3128"),
        ({"https_proxy": "http://proxy.test"}, "http://api.test", None),
        ({"http_proxy": "http://proxy.test", "no_proxy": "api.test"}, "http://api.test:8000/x", None),
        ({"http_proxy": "http://proxy.test", "no_proxy": ".test"}, "http://api.test", None),
        ({"http_proxy": "http://u:p@proxy.test"}, "http://api.test", "http://u:p@proxy.test"),
    ],
)
def test_proxies_are_found_in_the_environment(monkeypatch, environment, url, proxy):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of_environment(url) == proxy


def test_a_proxy_that_can_not_be_used_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://user:sekret@proxy.test")
    with pytest.raises(ConfigurationError, match="socks5://") as raised:
        proxy_of_environment("https://api.test")
    assert "sekret" not in str(raised.value)


async def test_a_default_entry_of_netrc_breaks_nothing(server, tmp_path, monkeypatch):
    """E19: with `trust_env`, every request raised a bare `ValueError`."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with Connection(
        Settings(api_key=KEY, base_url=server.base_url), network=Network(trust_env=True)
    ) as connection:
        assert (await connection.exchange(create())).id

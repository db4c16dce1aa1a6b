"""L10: the networks that people have: proxies, private authorities, gateways, IPv6, sessions of their own."""

import asyncio
import base64
import datetime
import ipaddress
import ssl

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asyncscribe import AsyncClient, ConfigurationError, ConnectFailed
from asyncscribe.api.network import Network
from asyncscribe.server import LocalServer
from tests.support import KEY, open_client, recording


class Proxy:
    """A real forward proxy: CONNECT tunnels, absolute addresses are passed on."""

    def __init__(self, password: str | None = None) -> None:
        self.asked: list[str] = []
        self._expected = password and "Basic " + base64.b64encode(f"user:{password}".encode()).decode()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task] = set()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, headers = head.decode("latin-1").partition("\r\n")
            method, target, _ = line.split()
            self.asked.append(f"{method} {target}")
            if self._expected and f"proxy-authorization: {self._expected}".lower() not in headers.lower():
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                there, back = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                host, _, port = target.split("/")[2].rpartition(":")
                there, back = await asyncio.open_connection(host, int(port))
                path = "/" + target.split("/", 3)[3]
                back.write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}".encode("latin-1"))
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _pass_on(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private authority: its file, and a context for a server on loopback that it vouches for."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.datetime.now(datetime.UTC)

    def usage(*, signs):
        others = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"], False
        )
        return x509.KeyUsage(
            digital_signature=not signs, key_cert_sign=signs, encipher_only=False, decipher_only=False, **others
        )

    def certificate(name, issuer, key, signer, extension):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            # Python 3.13 asks for what tells authorities apart, and for what they may do.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(usage(signs=key is signer), critical=True)
            .sign(signer, hashes.SHA256())
        )

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1"))]
    )
    root = certificate(root_name, root_name, root_key, root_key, x509.BasicConstraints(ca=True, path_length=None))
    leaf = certificate(name, root_name, key, root_key, hosts)
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem) + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "leaf.pem")
    return folder / "root.pem", context


@pytest.fixture
async def secure(nothing_left, authority):
    async with LocalServer(ssl_context=authority[1], api_key=KEY) as server:
        yield server


@pytest.fixture
def trust(authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority[0])


async def speaks(client) -> bool:
    """The happy path, with an upload."""
    return bool((await client.transcribe(b"\0" * 64_000)).text)


async def test_a_private_authority_is_trusted_if_it_is_named(secure, trust):
    assert secure.base_url.startswith("https://")
    async with open_client(secure, ssl_context=trust) as client:
        assert await speaks(client)


async def test_a_certificate_that_is_not_trusted_says_what_to_do(secure):
    async with open_client(secure) as client:
        with pytest.raises(ConnectFailed, match=r"SSL_CERT_FILE.*ssl_context="):
            await client.get("abc")


async def test_the_file_of_the_environment_counts(secure, authority, monkeypatch):
    """Read when the program starts, as aiohttp makes its context then."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    async with open_client(secure, ssl_context=ssl.create_default_context()) as client:
        assert await speaks(client)


@pytest.mark.parametrize("password", [None, "sekret"])
async def test_everything_goes_through_a_proxy(server, password):
    async with Proxy(password) as proxy:
        user = f"user:{password}@" if password else ""
        async with open_client(server, proxy=f"http://{user}127.0.0.1:{proxy.port}") as client:
            assert await speaks(client)
    assert {line.split()[0] for line in proxy.asked} == {"POST", "GET"}


@pytest.mark.parametrize("password", [None, "sekret"])
async def test_tls_goes_through_a_tunnel(secure, trust, password):
    async with Proxy(password) as proxy:
        user = f"user:{password}@" if password else ""
        address = f"http://{user}127.0.0.1:{proxy.port}"
        async with open_client(secure, proxy=address, ssl_context=trust) as client:
            assert await speaks(client)
    assert set(proxy.asked) == {f"CONNECT 127.0.0.1:{secure.port}"}


async def test_a_proxy_that_refuses_is_told_without_its_password(secure, server, trust, caplog):
    async with Proxy("other") as proxy:
        address = f"http://user:sekret@127.0.0.1:{proxy.port}"
        async with open_client(secure, proxy=address, ssl_context=trust) as client:
            with pytest.raises(ConnectFailed, match="407") as raised:
                await client.get("abc")
            assert not server.records
    assert "sekret" not in str(raised.value) + caplog.text + repr(client)


async def test_the_environments_proxy_and_its_exceptions_count(server, monkeypatch):
    async with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        async with open_client(server, trust_env=True) as client:
            assert await speaks(client)
        seen = len(proxy.asked)
        assert seen
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with open_client(server, trust_env=True) as client:
            assert await speaks(client)
        assert len(proxy.asked) == seen


async def test_ipv6_on_loopback(nothing_left):
    async with LocalServer(host="::1", api_key=KEY) as server, open_client(server) as client:
        assert server.base_url.startswith("http://[::1]:")
        assert await speaks(client)


async def test_further_headers_go_to_the_service_alone(nothing_left):
    seen = []

    async def answer(request):
        seen.append(request.headers)
        return aiohttp.web.json_response({"id": "abc", "status": "completed", "audio_url": "http://a.test"})

    application = aiohttp.web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = aiohttp.web.AppRunner(application)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with AsyncClient(KEY, address, headers={"X-Gateway": "yes"}) as client:
            await client.get("abc")
            async with client._parts.transport.download(f"{address}/foreign") as chunks:
                assert [chunk async for chunk in chunks]
    finally:
        await runner.cleanup()
    assert seen[0]["X-Gateway"] == "yes"
    assert seen[0]["Authorization"] == KEY
    assert "X-Gateway" not in seen[1]
    assert "Authorization" not in seen[1]


async def test_a_session_of_ones_own_is_used_and_never_closed(server):
    traced = aiohttp.TraceConfig()
    started = []

    async def on_start(session, context, parameters) -> None:
        started.append(parameters.method)

    traced.on_request_start.append(on_start)
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}, trace_configs=[traced]) as session:
        async with open_client(server, session=session) as client:
            assert await speaks(client)
        assert not session.closed
        async with session.get(server.base_url) as response:
            assert response.status
    assert {"POST", "GET"} <= set(started)


async def test_a_session_of_ones_own_never_repeats_a_submission(server):
    """A session that repeats by itself would pay twice: only its connections are used."""

    with pytest.warns(DeprecationWarning, match="Inheritance"):

        class Repeating(aiohttp.ClientSession):
            async def _request(self, *arguments, **options):
                raise AssertionError("sent by the caller's own way")

    session = Repeating()
    async with open_client(server, session=session) as client:
        await client.transcribe(recording())
    await session.close()
    with pytest.raises(ConfigurationError, match="closed"):
        async with open_client(server, session=session):
            pass


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"proxy": "socks5://user:sekret@proxy.test"}, "http:// and https://"),
        ({"proxy": "proxy.test:3128"}, "http:// and https://"),
        ({"proxy": "http://proxy.test:99999999"}, "can't be used"),
        ({"ssl_context": False}, "ssl.create_default_context"),
        ({"session": "abc"}, "aiohttp.ClientSession"),
        ({"headers": {"Authorization": "abc"}}, "set by the client"),
        ({"headers": {"content-length": "1"}}, "set by the client"),
        ({"headers": {"X A": "1"}}, "name of a header"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "one line"),
        ({"headers": {"X-A": 1}}, "one line"),
    ],
)
def test_what_can_not_be_used_is_refused_when_it_is_passed(arguments, problem):
    with pytest.raises(ConfigurationError, match=problem) as raised:
        AsyncClient(KEY, **arguments)
    assert "sekret" not in str(raised.value)


def test_a_proxys_password_is_not_shown():
    assert "sekret" not in repr(Network(proxy="http://user:sekret@proxy.test"))

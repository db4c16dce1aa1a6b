"""Object stores: real servers on loopback, whose objects the local server fetches by their signed URLs."""

import asyncio
import base64
import hashlib
import hmac
import json
import shutil
import sys
from email.utils import formatdate

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from asyncscribe import ConfigurationError, SourceError
from asyncscribe.batch import Batch
from asyncscribe.batch.inputs.discovery import is_media
from asyncscribe.batch.inputs.stores import is_store, recordings
from asyncscribe.server import LocalServer, PocketSphinxEngine, faults
from tests.support import EXAMPLES, KEY, open_client, recording, transcripts

obstore = pytest.importorskip("obstore", reason="obstore is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")


@pytest.fixture(scope="module")
def s3():
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def bucket(s3, monkeypatch, request):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-forty-characters",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.name)) % 10**9}"
    async with aiohttp.ClientSession() as session, session.put(f"{s3}/{name}") as answer:
        answer.raise_for_status()
    return obstore.store.from_url(f"s3://{name}"), f"s3://{name}"


async def put(store, **objects):
    for key, content in objects.items():
        await obstore.put_async(store, key, content)


async def names(address):
    return [stored.name async for page in recordings(address, is_media) for stored in page]


def test_addresses():
    assert is_store("s3://bucket/a")
    assert is_store("GS://bucket")
    assert not is_store("https://s3.amazonaws.com/bucket")
    assert not is_store("s3/bucket")


async def test_a_prefix_is_listed_lazily_by_pages(bucket):
    store, address = bucket
    await put(store, **{f"calls/{number:04}.mp3": b"x" for number in range(600)}, **{"calls/notes.txt": b"x"})
    pages = recordings(f"{address}/calls", is_media)
    first = await anext(pages)
    assert 0 < len(first) < 600
    assert first[0].name == "0000.mp3"
    assert "calls/0000.mp3#" in first[0].content
    await pages.aclose()
    assert len(await names(f"{address}/calls/")) == 600


async def test_names_are_safe_and_one_object_can_be_named(bucket):
    store, address = bucket
    await put(store, **{"a/.hidden.mp3": b"x", "a/b/c.mp3": b"x", "a/back\\slash.mp3": b"x", "a/unnamed": b"x"})
    found = await names(f"{address}/a")
    assert "b/c.mp3" in found
    assert not [name for name in found if "\\" in name or "/." in name or name.startswith((".", "/"))]
    assert len(set(found)) == 3
    assert await names(f"{address}/a/unnamed") == ["unnamed"]


async def test_what_is_not_there_is_told_without_secrets(bucket, monkeypatch):
    _, address = bucket
    for wrong in (f"{address}/nothing", "s3://no-such-bucket/x", "s3:///x"):
        with pytest.raises(SourceError) as told:
            await names(wrong)
        assert "secret" not in str(told.value)
        assert "AKID" not in str(told.value)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationError, match="asyncscribe\\[stores\\]"):
        await names(address)


async def test_recordings_go_from_the_store_to_the_service_by_signed_urls(bucket, nothing_left, tmp_path):
    store, address = bucket
    for path in ("office.wav", "weather.mp3"):
        await obstore.put_async(store, f"in/{path}", (EXAMPLES / "audio" / path).read_bytes())
    output = tmp_path / "out"
    async with LocalServer(PocketSphinxEngine(), limit=2, api_key=KEY) as server, open_client(server) as client:
        async with Batch(client, output) as batch:
            outcomes = [outcome async for outcome in batch.run([f"{address}/in"])]
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert "call the office" in next(o for o in outcomes if o.item.name == "office.wav").transcript.text
        assert not server.requests["POST /v2/upload"]
        assert all("X-Amz-Signature=" in record.audio_url for record in server.records)
        async with Batch(client, output) as batch:
            assert [outcome async for outcome in batch.run([f"{address}/in"])] == []
        # Another version of an object is another recording.
        await obstore.put_async(store, "in/office.wav", (EXAMPLES / "audio" / "weather.mp3").read_bytes())
        async with Batch(client, output) as batch:
            outcomes = [outcome async for outcome in batch.run([f"{address}/in", f"{address}/nowhere"])]
            assert [str(problem.path) for problem in batch.unreadable] == [f"{address}/nowhere"]
        assert [outcome.item.name for outcome in outcomes] == ["office.wav"]
    assert transcripts(output) == ["office.wav.json", "weather.mp3.json"]


async def transcribed(address, output):
    """The texts of the recordings of a store, and the URLs that the service was given."""
    async with LocalServer(PocketSphinxEngine(), limit=2, api_key=KEY) as server, open_client(server) as client:
        async with Batch(client, output) as batch:
            outcomes = [outcome async for outcome in batch.run([address])]
        assert [outcome.error for outcome in outcomes] == [None, None]
        texts = {outcome.item.name: outcome.transcript.text for outcome in outcomes}
        return texts, [record.audio_url for record in server.records]


async def test_google_cloud_storage_is_listed_and_signed(bucket, s3, nothing_left, tmp_path, monkeypatch):
    # Its XML API lists and reads like S3; the signatures are checked by Google alone.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"gcs_base_url": s3, "client_email": "a@b.test", "private_key": key.decode(), "private_key_id": "1"}
    (tmp_path / "account.json").write_text(json.dumps({"type": "service_account", **account}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
    store, address = bucket
    for path in ("office.wav", "weather.mp3"):
        await obstore.put_async(store, f"in/{path}", (EXAMPLES / "audio" / path).read_bytes())
    texts, urls = await transcribed(address.replace("s3://", "gs://") + "/in", tmp_path / "out")
    assert "call the office" in texts["office.wav"]
    assert all("X-Goog-Signature=" in url for url in urls)


@pytest.fixture
async def azurite(tmp_path, monkeypatch):
    """Azure's own emulator, which checks the signatures."""
    command = shutil.which("azurite-blob")
    if command is None:
        pytest.skip("Azure's emulator is not installed (npm install -g azurite)")
    # The emulator's published account.
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    arguments = ["--blobPort", "0", "--location", str(tmp_path / "azurite"), "--skipApiVersionCheck"]
    arguments.append("--disableTelemetry")
    process = await asyncio.create_subprocess_exec(command, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        async for line in process.stdout:
            if b"successfully listens on" in line:
                break
        else:
            pytest.fail("Azure's emulator does not start")
        endpoint = f"{line.split()[-1].decode()}/devstoreaccount1"
        for name, value in {"NAME": "devstoreaccount1", "KEY": key}.items():
            monkeypatch.setenv(f"AZURE_STORAGE_ACCOUNT_{name}", value)
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
        monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
        await make_container(endpoint, key, "calls")
        # No store: its `repr`, which asyncio may ask for, panics when the account is from the environment.
        yield "az://calls"
    finally:
        process.terminate()
        await process.communicate()


async def make_container(endpoint, key, name):
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = [*("PUT", *[""] * 11), *(f"{name}:{value}" for name, value in headers.items())]
    text = "\n".join([*signed, f"/devstoreaccount1/devstoreaccount1/{name}", "restype:container"])
    signature = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey devstoreaccount1:{base64.b64encode(signature).decode()}"
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        async with session.put(f"{endpoint}/{name}?restype=container", headers=headers) as answer:
            answer.raise_for_status()


async def test_azure_is_listed_and_signed(azurite, nothing_left, tmp_path):
    for path in ("office.wav", "weather.mp3"):
        await obstore.put_async(obstore.store.from_url(azurite), f"in/{path}", (EXAMPLES / "audio" / path).read_bytes())
    texts, urls = await transcribed(f"{azurite}/in", tmp_path / "out")
    assert "call the office" in texts["office.wav"]
    assert all("sig=" in url for url in urls)


async def test_each_submission_is_signed_anew(server, client):
    from asyncscribe import SignedOnDemand

    signed = []

    async def sign():
        signed.append(recording(f"signed{len(signed)}", server_errors=1 if not signed else 0))
        return signed[-1]

    source = SignedOnDemand("s3://bucket/a.mp3", sign)
    assert not signed
    server.faults.script("POST", "/v2/transcript", faults.Answer(429, "{}", {"Retry-After": "0"}))
    await client.transcribe(source)
    assert [record.audio_url for record in server.records] == signed
    assert len(signed) == 2

import asyncio
import json

import aiohttp
import pytest

from asyncscribe.server import LocalServer, SimulatedEngine
from tests.support import KEY, recording

HEADERS = {"Authorization": KEY}


@pytest.fixture
async def http(server):
    async with aiohttp.ClientSession(server.base_url, headers=HEADERS) as session:
        yield session


async def create(http, **fields):
    async with http.post("/v2/transcript", json={"audio_url": recording(), **fields}) as response:
        return response.status, await response.json()


async def ended(http, transcript_id):
    while True:
        async with http.get(f"/v2/transcript/{transcript_id}") as response:
            document = await response.json()
        if document["status"] in {"completed", "error"}:
            return document
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "wrong"}, {"Authorization": f"Bearer {KEY}"}])
async def test_a_wrong_key_is_401(server, headers):
    async with aiohttp.ClientSession(server.base_url, headers=headers) as session:
        async with session.get("/v2/transcript") as response:
            assert response.status == 401
            assert "Authentication error" in (await response.json())["error"]


async def test_without_a_key_of_its_own_any_is_accepted(nothing_left):
    async with LocalServer() as server, aiohttp.ClientSession(headers={"Authorization": "any"}) as session:
        async with session.get(f"{server.base_url}/v2/transcript") as response:
            assert response.status == 200


async def test_the_life_of_a_job(server, http):
    status, document = await create(
        http, speaker_labels=True, webhook_auth_header_name="X", webhook_auth_header_value="s3cret"
    )
    assert status == 200
    assert document["status"] == "processing"
    assert document["words"] is None
    assert document["speaker_labels"] is True
    assert "s3cret" not in json.dumps(document)
    document = await ended(http, document["id"])
    assert document["status"] == "completed"
    assert document["audio_duration"] == 2
    assert document["text"] == " ".join(word["text"] for word in document["words"])
    assert document["speech_model_used"] == "simulated"


async def test_jobs_above_the_limit_are_queued_in_order(server, http):
    documents = [(await create(http, audio_url=recording(str(n), seconds=0.05)))[1] for n in range(4)]
    assert [document["status"] for document in documents] == ["processing", "processing", "queued", "queued"]
    assert (await ended(http, documents[3]["id"]))["status"] == "completed"
    assert all(record.status == "completed" for record in server.records)
    assert server.records[2].completed <= server.records[3].completed


async def test_a_raised_limit_starts_what_is_queued(server, http):
    for n in range(3):
        await create(http, audio_url=recording(str(n), seconds=50))
    assert server.records[2].status == "queued"
    server.set_limit(3)
    assert server.records[2].status == "processing"


async def test_a_wrong_request_is_400_in_the_services_words(http):
    assert await create(http, colour="red") == (400, {"error": "Unknown field: colour"})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_400(http, body):
    async with http.post("/v2/transcript", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v3"), ("PUT", "/v2/transcript"), ("GET", "/")])
async def test_other_paths_are_not_found_in_json(http, method, path):
    async with http.request(method, path) as response:
        assert response.status in {404, 405}
        assert await response.json() == {"error": "Not found"}


async def test_an_unknown_id_is_400(http):
    async with http.get("/v2/transcript/nobody") as response:
        assert response.status == 400
        assert "transcript id not found" in (await response.json())["error"]


async def test_pages_lead_to_older_and_newer_jobs(server, http):
    ids = [(await create(http, audio_url=recording(str(n))))[1]["id"] for n in range(7)]
    seen, url = [], "/v2/transcript?limit=3"
    while url:
        async with http.get(url) as response:
            page = await response.json()
        assert page["page_details"]["result_count"] == len(page["transcripts"]) <= 3
        seen += [item["id"] for item in page["transcripts"]]
        url = page["page_details"]["prev_url"]
    assert seen == ids[::-1]
    async with http.get(f"/v2/transcript?after_id={ids[4]}") as response:
        assert [item["id"] for item in (await response.json())["transcripts"]] == [ids[6], ids[5]]
    item = page["transcripts"][0]
    assert set(item) == {"id", "resource_url", "status", "created", "completed", "audio_url", "error"}


async def test_the_list_can_be_filtered(server, http):
    _, good = await create(http)
    _, bad = await create(http, audio_url=recording(error="Transcoding failed"))
    await ended(http, good["id"])
    assert (await ended(http, bad["id"]))["error"] == "Transcoding failed"
    for query, expected in [
        ("status=error", [bad["id"]]),
        ("status=completed", [good["id"]]),
        (f"created_on={server.records[0].created[:10]}", [bad["id"], good["id"]]),
        ("created_on=2001-01-01", []),
    ]:
        async with http.get(f"/v2/transcript?{query}") as response:
            assert [item["id"] for item in (await response.json())["transcripts"]] == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "status=idle", "created_on=today", "before_id=x"])
async def test_a_wrong_filter_is_400(http, query):
    async with http.get(f"/v2/transcript?{query}") as response:
        assert response.status == 400


async def test_delete_empties_the_transcript_and_removes_the_upload(server, http):
    async with http.post("/v2/upload", data=b"\0" * 32_000) as response:
        url = (await response.json())["upload_url"]
    _, document = await create(http, audio_url=url)
    await ended(http, document["id"])
    async with http.delete(f"/v2/transcript/{document['id']}") as response:
        deleted = await response.json()
    assert deleted["status"] == "completed"
    assert deleted["text"] == "Deleted by user."
    assert deleted["words"] is None
    assert deleted["audio_url"] == "http://deleted_by_user"
    _, again = await create(http, audio_url=url)
    assert "Download error" in (await ended(http, again["id"]))["error"]


async def test_a_job_deleted_while_it_runs_stays_deleted(server, http):
    _, document = await create(http, audio_url=recording(seconds=0.05))
    async with http.delete(f"/v2/transcript/{document['id']}"):
        pass
    assert (await ended(http, document["id"]))["text"] == "Deleted by user."


async def test_nobody_but_the_service_reads_an_upload(http):
    async with http.post("/v2/upload", data=b"abc") as response:
        url = (await response.json())["upload_url"]
    async with http.get(url) as response:
        assert response.status == 403
        assert "AccessDenied" in await response.text()


async def test_an_upload_that_is_too_large_is_refused_and_not_kept(nothing_left):
    async with LocalServer(largest_upload=1000) as server, aiohttp.ClientSession(headers=HEADERS) as session:
        async with session.post(f"{server.base_url}/v2/upload", data=b"x" * 2000) as response:
            assert response.status == 413
        assert list(server._storage.folder.iterdir()) == []


async def test_the_oldest_uploads_make_room_for_new_ones(nothing_left):
    async with LocalServer(largest_total=2500) as server, aiohttp.ClientSession(headers=HEADERS) as session:
        urls = []
        for _ in range(4):
            async with session.post(f"{server.base_url}/v2/upload", data=b"x" * 1000) as response:
                urls.append((await response.json())["upload_url"])
        assert len(list(server._storage.folder.iterdir())) == 2
        async with session.post(f"{server.base_url}/v2/transcript", json={"audio_url": urls[0]}) as response:
            document = await response.json()
        while server.records[0].status == "processing":
            await asyncio.sleep(0)
        assert "Download error" in server._service.find(document["id"]).document["error"]


async def test_a_broken_engine_fails_the_job_and_not_the_server(caplog, nothing_left):
    class Broken(SimulatedEngine):
        async def transcribe(self, recording):
            raise ZeroDivisionError

    async with LocalServer(Broken()) as server, aiohttp.ClientSession(server.base_url, headers=HEADERS) as http:
        _, document = await create(http)
        assert "Internal server error" in (await ended(http, document["id"]))["error"]
    assert "ZeroDivisionError" in caplog.text

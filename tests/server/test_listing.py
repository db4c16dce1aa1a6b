import asyncio

import aiohttp
import pytest

from asyncscribe.server import LocalServer
from tests.support import KEY, recording


@pytest.fixture
async def http(server):
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as session:
        yield session


async def create(http, name, **rules):
    async with http.post("/v2/transcript", json={"audio_url": recording(name, **rules)}) as response:
        return (await response.json())["id"]


async def listed(http, **query):
    async with http.get("/v2/transcript", params=query) as response:
        assert response.status == 200
        return await response.json()


async def ids(http, **query):
    return [item["id"] for item in (await listed(http, **query))["transcripts"]]


async def test_filters_by_status_hold_their_order_and_page(server, http):
    made = [await create(http, str(n), seconds=100) for n in range(6)]
    assert await ids(http, status="processing") == made[1::-1]
    assert await ids(http, status="queued") == made[:1:-1]
    assert await ids(http, status="completed") == []
    assert await ids(http, throttled_only="true") == made[:1:-1]
    server.set_limit(4)
    assert await ids(http, status="processing") == made[3::-1]
    assert await ids(http, throttled_only="true", status="completed") == made[:1:-1]
    page = await listed(http, status="processing", limit=3)
    assert [item["id"] for item in page["transcripts"]] == made[3:0:-1]
    async with http.get(page["page_details"]["prev_url"]) as response:
        older = await response.json()
    assert [item["id"] for item in older["transcripts"]] == made[:1]
    assert older["page_details"]["prev_url"] is None
    assert await ids(http, status="processing", after_id=made[1], before_id=made[3]) == [made[2]]


async def test_a_full_page_with_nothing_older_leads_nowhere(http):
    made = [await create(http, str(n)) for n in range(2)]
    details = (await listed(http, limit=2))["page_details"]
    assert details["prev_url"] is None
    assert details["next_url"].endswith(f"/v2/transcript?limit=2&after_id={made[1]}")
    assert (await listed(http, after_id=made[1]))["page_details"]["next_url"] is None


async def test_an_item_changes_with_its_transcript(server, http):
    failed, done = await create(http, "a", seconds=0.05, error="Transcoding failed"), await create(http, "b")
    first = (await listed(http))["transcripts"]
    assert [item["status"] for item in first] == ["processing", "processing"]
    while any(record.status == "processing" for record in server.records):
        await asyncio.sleep(0.005)
    second = {item["id"]: item for item in (await listed(http))["transcripts"]}
    assert second[failed]["error"] == "Transcoding failed"
    assert second[failed]["completed"] is None
    assert second[done]["status"] == "completed"
    assert second[done]["completed"] >= second[done]["created"]
    assert second[done]["resource_url"] == f"{server.base_url}/v2/transcript/{done}"
    async with http.delete(f"/v2/transcript/{done}"):
        pass
    assert (await listed(http))["transcripts"][0]["audio_url"] == "http://deleted_by_user"


@pytest.mark.looptime
async def test_a_new_transcript_is_in_the_list_only_after_the_lag(nothing_left):
    async with (
        LocalServer(limit=9, api_key=KEY, list_lag=2) as server,
        aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http,
    ):
        old = await create(http, "old", seconds=1000)
        await asyncio.sleep(1.5)
        new = await create(http, "new", seconds=1000)
        assert await ids(http) == []
        async with http.get(f"/v2/transcript/{new}") as response:
            assert response.status == 200
        await asyncio.sleep(1)
        assert await ids(http) == await ids(http, status="processing") == [old]
        assert await ids(http, after_id=old) == []
        await asyncio.sleep(1)
        assert await ids(http) == await ids(http, status="processing") == [new, old]


@pytest.mark.looptime
async def test_the_lag_can_be_changed_while_the_server_runs(nothing_left):
    async with (
        LocalServer(limit=9, api_key=KEY) as server,
        aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http,
    ):
        made = await create(http, "a")
        assert await ids(http) == [made]
        server.set_list_lag(5)
        assert await ids(http) == []
        server.set_list_lag(0)
        assert await ids(http) == [made]


@pytest.mark.looptime
async def test_a_record_tells_when_it_was_taken_started_and_ended(nothing_left):
    async with (
        LocalServer(limit=1, api_key=KEY) as server,
        aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http,
    ):
        begin = asyncio.get_running_loop().time()
        await create(http, "a", seconds=10)
        await create(http, "b", seconds=5, error="Transcoding failed")
        waiting = server.records[1]
        assert (waiting.started, waiting.ended) == (None, None)
        await asyncio.sleep(30)
        told = [(record.taken - begin, record.started - begin, record.ended - begin) for record in server.records]
    assert [[round(time) for time in times] for times in told] == [[0, 0, 10], [0, 10, 15]]

import asyncio
from collections import Counter

import aiohttp
import pytest

from asyncscribe.server import FaultPlan, FaultRule, LocalServer, faults
from asyncscribe.server.faults import When
from tests.support import KEY, recording


@pytest.fixture
async def http(server):
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as session:
        yield session


async def create(http):
    async with http.post("/v2/transcript", json={"audio_url": recording()}) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(("when", "jobs"), [(When.INSTEAD, 0), (When.AFTER, 1)])
async def test_an_answer_instead_of_the_right_one_or_after_acting(server, http, when, jobs):
    server.faults.script("POST", "/v2/transcript", faults.Answer(503, "busy", {"Retry-After": "1"}, when))
    assert await create(http) == (503, "busy")
    assert len(server.records) == jobs


@pytest.mark.parametrize(("when", "jobs"), [(When.INSTEAD, 0), (When.AFTER, 1)])
async def test_a_dropped_connection(server, http, when, jobs):
    server.faults.script("POST", "/v2/transcript", faults.Drop(when))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(http)
    assert len(server.records) == jobs


async def test_a_cut_body(server, http):
    server.faults.script("POST", "/v2/transcript", faults.CutBody())
    with pytest.raises(aiohttp.ClientPayloadError):
        await create(http)
    assert len(server.records) == 1


async def test_a_hanging_request_ends_with_the_server(server, http):
    server.faults.script("POST", "/v2/transcript", faults.Hang())
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(create(http), 0.05)
    assert not server.records


async def test_faults_come_in_their_order_and_end(server, http):
    server.faults.script("POST", "/v2/transcript", faults.Answer(500), faults.Answer(502))
    server.faults.script("GET", "/v2/transcript", faults.Answer(504))
    assert [(await create(http))[0] for _ in range(3)] == [500, 502, 200]


async def test_an_answer_can_be_a_page_of_a_proxy(server, http):
    server.faults.script("POST", "/v2/transcript", faults.Answer(502, "<html>", content_type="text/html"))
    async with http.post("/v2/transcript", json={"audio_url": recording()}) as response:
        assert (response.status, response.content_type, await response.text()) == (502, "text/html", "<html>")


@pytest.mark.looptime
async def test_a_late_request_is_acted_upon_after_its_connection_broke(server, http):
    server.faults.script("POST", "/v2/transcript", faults.Late(5))
    begin = asyncio.get_running_loop().time()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(http)
    assert asyncio.get_running_loop().time() - begin < 1
    await asyncio.sleep(4)
    assert not server.records
    await asyncio.sleep(2)
    assert [record.audio_url for record in server.records] == [recording()]
    assert server.records[0].status == "completed"


@pytest.mark.looptime
async def test_a_late_request_that_is_wrong_comes_to_nothing(server, http):
    server.faults.script("POST", "/v2/transcript", faults.Late(5))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.post("/v2/transcript", json={"audio_url": None})
    await asyncio.sleep(6)
    assert not server.records
    assert (await create(http))[0] == 200


async def test_a_late_request_ends_with_the_server(nothing_left):
    async with LocalServer(api_key=KEY) as server:
        server.faults.script("POST", "/v2/transcript", faults.Late(60))
        async with aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as session:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await create(session)
    assert not server.records


async def met(http, count):
    """What so many submissions met."""
    seen = []
    for _ in range(count):
        try:
            seen.append((await create(http))[0])
        except aiohttp.ClientError as error:
            seen.append(type(error).__name__)
    return seen


async def test_a_plan_lets_its_share_of_requests_fail_and_the_same_ones_each_time(server, http):
    shares = [(0.2, faults.Answer(500)), (0.1, faults.Drop()), (0.2, faults.CutBody()), (0.1, faults.Late(0))]
    rules = [FaultRule("POST", "/v2/transcript", share, fault) for share, fault in shares]
    server.faults.plan(FaultPlan(7, rules))
    first = await met(http, 200)
    server.faults.plan(FaultPlan(7, rules))
    assert await met(http, 200) == first
    server.faults.plan(FaultPlan(8, rules))
    assert await met(http, 200) != first
    counts = Counter(first)
    assert set(counts) == {200, 500, "ServerDisconnectedError", "ClientPayloadError"}
    assert all(20 <= counts[what] <= 60 for what in (500, "ServerDisconnectedError", "ClientPayloadError"))


async def test_a_plan_meets_only_what_its_rules_name(server, http):
    rules = [
        FaultRule("GET", "/v2/transcript", 1, faults.Answer(500), exact=True),
        FaultRule("GET", "/v2/transcript/{id}", 1, faults.Answer(502), exact=True),
        FaultRule("GET", "/v2/", 1, faults.Answer(503)),
        FaultRule("DELETE", "/v2/", 0, faults.Drop()),
    ]
    server.faults.plan(FaultPlan(0, rules))
    assert (await create(http))[0] == 200
    name = server.records[0].id
    statuses = []
    for path in ("/v2/transcript", f"/v2/transcript/{name}", f"/v2/transcript/{name}/srt"):
        async with http.get(path) as response:
            statuses.append(response.status)
    assert statuses == [500, 502, 503]
    async with http.delete(f"/v2/transcript/{name}") as response:
        assert response.status == 200


async def test_a_script_goes_before_the_plan_and_the_plan_can_end(server, http):
    server.faults.plan(FaultPlan(0, [FaultRule("POST", "/v2/transcript", 1, faults.Answer(500))]))
    server.faults.script("POST", "/v2/transcript", faults.Answer(503))
    assert await met(http, 3) == [503, 500, 500]
    server.faults.plan(None)
    assert await met(http, 1) == [200]


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_is_from_0_to_1(probability):
    with pytest.raises(ValueError, match="from 0 to 1"):
        FaultRule("GET", "/", probability, faults.Drop())

import asyncio

import aiohttp
import pytest

from asyncscribe.server import faults
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

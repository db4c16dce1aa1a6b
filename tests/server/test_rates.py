import asyncio

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.server import LocalServer, RateLimit, faults
from asyncscribe.server.rates import Rate
from tests.support import KEY, recording

#: Binary fractions, whose sums are exact.
pauses = st.lists(st.integers(0, 40).map(lambda eighths: eighths / 8), max_size=80)


@given(st.integers(1, 5), st.integers(1, 24).map(lambda eighths: eighths / 8), pauses)
def test_no_window_has_more_than_the_limit_and_none_less_is_refused(requests, seconds, waits):
    rate, now, accepted, refused = Rate(RateLimit(requests, seconds)), 0.0, [], 0
    for wait in waits:
        now += wait
        within = [time for time in accepted if time > now - seconds]
        if rate.take(now):
            refused += 1
            assert len(within) == requests
        else:
            accepted.append(now)
            assert len(within) < requests
    assert rate.refused == refused


@given(st.integers(1, 5), st.integers(1, 24).map(lambda eighths: eighths / 8), pauses)
def test_the_wait_that_is_told_is_enough_and_a_second_less_is_not(requests, seconds, waits):
    limit = RateLimit(requests, seconds)
    rate, now, accepted = Rate(limit), 0.0, []
    for wait in waits:
        now += wait
        told = rate.take(now)
        if told:
            again = Rate(limit)
            assert not any(again.take(time) for time in accepted)
            assert not told > 1 or again.take(now + told - 1)
            assert not again.take(now + told)
        else:
            accepted.append(now)


def test_without_a_limit_everything_is_accepted():
    rate = Rate(None)
    assert not any(rate.take(0) for _ in range(1000))
    assert rate.refused == 0


@pytest.mark.parametrize(("requests", "seconds"), [(0, 1), (1, 0), (1, float("nan"))])
def test_a_limit_that_accepts_nothing_is_refused(requests, seconds):
    with pytest.raises(ValueError, match="rate limit"):
        RateLimit(requests, seconds)


@pytest.mark.looptime
async def test_above_the_limit_a_request_is_429_and_not_acted_upon(nothing_left):
    async with (
        LocalServer(limit=9, api_key=KEY, rate_limit=RateLimit(requests=3, seconds=10)) as server,
        aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http,
    ):

        async def create():
            async with http.post("/v2/transcript", json={"audio_url": recording()}) as response:
                return response.status, await response.json(), response.headers.get("Retry-After")

        async def look(path):
            async with http.get(path) as response:
                return response.status

        assert (await create())[0] == 200
        await asyncio.sleep(2.5)
        assert [await look("/v2/transcript"), await look(f"/v2/transcript/{server.records[0].id}")] == [200, 200]
        assert await create() == (429, {"error": "Too Many Requests"}, "8")
        assert await look("/v2/transcript") == 429
        assert (len(server.records), server.rate_limited) == (1, 2)
        await asyncio.sleep(8)
        assert (await create())[0] == 200
        assert (await create())[0] == 429


async def test_who_has_no_key_takes_nothing_from_the_account(nothing_left):
    async with (
        LocalServer(api_key=KEY, rate_limit=RateLimit(requests=1, seconds=60)) as server,
        aiohttp.ClientSession(server.base_url) as http,
    ):
        statuses = []
        for key in ("wrong", "wrong", KEY, KEY):
            async with http.get("/v2/transcript", headers={"Authorization": key}) as response:
                statuses.append(response.status)
    assert statuses == [401, 401, 200, 429]


async def test_a_refused_request_uses_up_no_scripted_fault(nothing_left):
    async with (
        LocalServer(api_key=KEY, rate_limit=RateLimit(requests=1, seconds=60)) as server,
        aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http,
    ):
        statuses = []
        for script in ([], [faults.Drop()]):
            server.faults.script("GET", "/v2/transcript", *script)
            async with http.get("/v2/transcript") as response:
                statuses.append(response.status)
    assert statuses == [200, 429]

"""`LocalServer`: the API on a loopback port for as long as a context lasts."""

import asyncio
import socket

import aiohttp
import pytest

from asyncscribe.server import LocalServer
from tests.support import KEY, open_client, recording


async def test_a_server_that_is_not_running_has_no_address():
    with pytest.raises(RuntimeError, match="not running"):
        _ = LocalServer().base_url


async def test_it_can_be_started_again_and_tells_the_truth_about_its_port(nothing_left):
    server = LocalServer(api_key=KEY)
    for _ in range(2):
        async with server:
            assert server.base_url == f"http://127.0.0.1:{server.port}"
            async with open_client(server) as client:
                assert (await client.transcribe(recording())).text
        with pytest.raises(RuntimeError, match="not running"):
            _ = server.port


async def test_two_at_once_share_nothing(nothing_left):
    async with LocalServer() as one, LocalServer() as other, open_client(one) as client:
        await client.transcribe(recording())
        assert one.port != other.port
        assert (len(one.records), len(other.records)) == (1, 0)
        assert not other.requests


async def test_a_port_in_use_is_an_error_that_leaves_nothing(nothing_left):
    async with LocalServer() as running:
        with pytest.raises(OSError, match="address already in use"):
            async with LocalServer(port=running.port):
                raise AssertionError
    assert running.records == []


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
async def test_an_address_of_ipv6_is_written_as_one(nothing_left):
    async with LocalServer(host="::1") as server, open_client(server) as client:
        assert server.base_url == f"http://[::1]:{server.port}"
        assert (await client.transcribe(recording())).text


async def test_its_end_does_not_wait_for_jobs_or_half_requests(nothing_left):
    async with LocalServer() as server, aiohttp.ClientSession() as http:
        async with http.post(
            f"{server.base_url}/v2/transcript",
            json={"audio_url": recording(seconds=600)},
            headers={"Authorization": "any"},
        ) as answer:
            assert answer.status == 200
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /v2/upload HTTP/1.1\r\nHost: a\r\nAuthorization: k\r\nContent-Length: 99\r\n\r\nabc")
        await writer.drain()
    assert server.records[0].status == "processing"
    writer.close()

import asyncio
import time

import pytest

from asyncscribe import WaitTimeout
from asyncscribe.server import faults
from asyncscribe.testing import Server
from tests.testing.conftest import URL, text_of


@pytest.mark.looptime
async def test_ten_minutes_take_no_time_with_a_virtual_clock(nothing_left):
    begun = time.monotonic()
    loop = asyncio.get_running_loop()
    async with Server() as server, server.client() as client:
        server.on(URL, text="Good morning.", seconds=600)
        virtual = loop.time()
        assert await text_of(client, URL) == "Good morning."
        assert 600 <= loop.time() - virtual < 660
        with pytest.raises(WaitTimeout):
            await client.transcribe(URL, timeout=500)
        server.faults.script("GET", "/v2/transcript", faults.Delay(50))
        assert await text_of(client, URL) == "Good morning."
    assert time.monotonic() - begun < 10


async def test_an_answer_that_was_lost_is_looked_for_at_once(scripted, quick):
    scripted.faults.script("POST", "/v2/transcript", faults.Drop(faults.When.AFTER))
    begun = time.monotonic()
    await quick.transcribe(URL)
    assert len(scripted.records) == 1
    assert time.monotonic() - begun < 5

import asyncio
import gc
import weakref

import aiohttp
import pytest

from asyncscribe.server import LocalServer, Recording, SimulatedEngine
from asyncscribe.server.engines import simulated
from tests.support import KEY, recording


async def failures(seed, count=300):
    """Which of so many jobs failed, and the texts of their errors."""
    engine = SimulatedEngine(error_rate=0.1, seed=seed)
    async with LocalServer(engine, limit=3, api_key=KEY) as server:
        async with aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http:
            for _ in range(count):
                async with http.post("/v2/transcript", json={"audio_url": recording(seconds=0)}):
                    pass
            while any(record.status in {"queued", "processing"} for record in server.records):
                await asyncio.sleep(0.01)
        failed = [record for record in server.records if record.status == "error"]
        return [record.position for record in failed], {record.document["error"] for record in failed}


async def test_a_share_of_jobs_fails_by_the_services_fault_and_the_same_ones_each_time(nothing_left):
    failed, texts = await failures(seed=1)
    assert 10 <= len(failed) <= 60
    assert all(text.startswith("Internal server error") for text in texts)
    assert (await failures(seed=1))[0] == failed
    assert (await failures(seed=2))[0] != failed


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_share_of_jobs_is_from_0_to_1(rate):
    with pytest.raises(ValueError, match="from 0 to 1"):
        SimulatedEngine(error_rate=rate)


async def test_jobs_that_are_alike_share_their_words_and_deleting_one_leaves_the_other(server):
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": KEY}) as http:
        for name in ("a", "b"):
            body = {"audio_url": recording(name, words=50), "speaker_labels": True}
            async with http.post("/v2/transcript", json=body) as response:
                assert response.status == 200
        while any(record.status == "processing" for record in server.records):
            await asyncio.sleep(0.005)
        one, other = server.records
        assert len(one.document["words"]) == 50
        assert one.document["words"] is other.document["words"]
        assert one.document["utterances"] is other.document["utterances"]
        async with http.delete(f"/v2/transcript/{one.id}") as response:
            assert (await response.json())["words"] is None
        async with http.get(f"/v2/transcript/{other.id}") as response:
            assert (await response.json()) == other.document


async def test_what_is_kept_for_sharing_is_bounded_by_its_words(monkeypatch):
    monkeypatch.setattr(simulated, "KEPT_WORDS", 100)
    engine = SimulatedEngine()

    async def heard(words):
        return await engine.transcribe(Recording(recording(seconds=0, words=words), None))

    first = await heard(40)
    second = weakref.ref(await heard(50))
    assert await heard(40) is first
    assert len((await heard(60)).words) == 60
    gc.collect()
    assert second() is None
    assert await heard(40) is first
    assert len((await heard(101)).words) == 101
    assert await heard(40) is not first

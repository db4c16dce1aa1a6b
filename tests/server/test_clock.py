"""The server's own time."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from asyncscribe.server.clock import Clock


@pytest.mark.looptime
async def test_it_goes_on_by_the_loops_clock():
    clock = Clock()
    before = clock.now()
    await asyncio.sleep(3600)
    assert timedelta(hours=1) <= clock.now() - before < timedelta(hours=1, seconds=1)


@pytest.mark.looptime
@pytest.mark.parametrize("ahead", [-600.0, 600.0])
async def test_it_can_be_wrong_on_purpose(ahead):
    clock, right = Clock(ahead), Clock()
    clock.now()
    right.now()
    assert abs((clock.now() - right.now()).total_seconds() - ahead) < 60


@pytest.mark.looptime
async def test_its_ways_to_write_a_moment_mean_the_same():
    clock = Clock()
    for _ in range(3):
        moment = datetime.fromisoformat(clock.timestamp())
        assert moment.tzinfo is None
        assert parsedate_to_datetime(clock.http_date()) == moment.replace(microsecond=0, tzinfo=UTC)
        assert len(clock.timestamp()) == len("2026-11-20T12:00:00.000000")
        await asyncio.sleep(0.7)

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from asyncscribe import TranscriptionConfig
from asyncscribe.engine.lookup import CLOCK_TOLERANCE, SubmissionLookup
from asyncscribe.engine.submission import Submission
from asyncscribe.server import faults
from tests.support import recording

LIST = ("GET", "/v2/transcript")
pytestmark = pytest.mark.looptime


@pytest.fixture
def lookup(client):
    return SubmissionLookup(client._parts.transport)


def lately() -> datetime:
    return datetime.now(UTC)


async def submit(client, *names) -> list[str]:
    submissions = [Submission(recording(name), TranscriptionConfig()) for name in names]
    return [(await client._parts.submitter.submit(submission)).id for submission in submissions]


async def test_jobs_are_found_by_their_url_the_closest_in_time_first(server, client, lookup):
    ids = await submit(client, "a", "b", "a", "a")
    for seconds, record in zip([20, 0, -2, 5], server.records, strict=True):
        record.created = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    found = await lookup.find(recording("a"), lately)
    assert [item.id for item in found] == [ids[2], ids[3], ids[0]]
    assert await lookup.find(recording("nobody's"), lately) == []


async def test_what_is_older_than_the_attempt_is_left_out(server, client, lookup):
    await submit(client, "a")
    old = datetime.now(UTC) - CLOCK_TOLERANCE - timedelta(seconds=10)
    server.records[0].created = old.replace(tzinfo=None).isoformat()
    assert await lookup.find(recording("a"), lately) == []


async def test_a_moment_is_in_the_services_time_whatever_this_machine_believes(server, client, lookup):
    server._service.clock.ahead = 7_200
    before = lookup.moment(asyncio.get_running_loop().time())
    assert abs(before() - datetime.now(UTC)) < timedelta(minutes=1)
    await submit(client, "a")
    # The same moment, told better: an answer has shown the service's time meanwhile.
    assert abs(before() - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert len(await lookup.find(recording("a"), before)) == 1


async def test_those_who_look_at_once_share_a_pass(server, client, lookup):
    await submit(client, *map(str, range(20)))
    before = server.requests["GET /v2/transcript"]
    found = await asyncio.gather(*(lookup.find(recording(str(number)), lately) for number in range(40)))
    assert [len(items) for items in found] == [1] * 20 + [0] * 20
    assert server.requests["GET /v2/transcript"] - before <= 2


async def test_a_shared_look_goes_on_when_the_one_who_made_it_is_cancelled(server, client, lookup):
    (wanted,) = await submit(client, "a")
    server.faults.script(*LIST, faults.Hang(), faults.Hang())
    tasks = []
    for url in ["http://first.test", "http://second.test", recording("a")]:
        tasks.append(asyncio.create_task(lookup.find(url, lately)))
        while server.requests["GET /v2/transcript"] < 1:
            await asyncio.sleep(0.01)
    # The second and the third wait for the first, and then share a pass.
    tasks[0].cancel()
    while server.requests["GET /v2/transcript"] < 2:
        await asyncio.sleep(0.01)
    tasks[1].cancel()
    assert [item.id for item in await tasks[2]] == [wanted]

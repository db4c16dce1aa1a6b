import json

import pytest

from asyncscribe.api.listing import pages
from asyncscribe.server import faults
from tests.support import recording

LIST = ("GET", "/v2/transcript")
pytestmark = pytest.mark.looptime


def answer(items, **details) -> faults.Answer:
    return faults.Answer(200, json.dumps({"transcripts": items, "page_details": details}))


def item(name):
    return {"id": name, "status": "completed", "audio_url": "u", "created": "2026-11-02T21:49:25"}


async def ids(client, **options):
    return [[entry.id for entry in page.items] async for page in pages(client._parts.transport, **options)]


async def test_pages_are_followed_to_the_end_however_short_they_are(server, client):
    """E9: a service that puts 100 on a page although 200 were asked for has not come to its end."""
    server.faults.script(
        *LIST,
        answer([item("5"), item("4")], prev_url="https://elsewhere.test/v2/transcript?before_id=4"),
        answer([item("3")], prev_url="https://api.test/?before_id=3"),
        answer([item("2"), item("1")], prev_url=None),
    )
    assert await ids(client) == [["5", "4"], ["3"], ["2", "1"]]
    assert server.requests["GET /v2/transcript"] == 3


async def test_a_list_that_leads_in_a_circle_ends(server, client):
    circle = answer([item("2"), item("1")], prev_url="https://api.test/?before_id=1")
    server.faults.script(*LIST, *[circle] * 9)
    assert await ids(client) == [["2", "1"], ["2", "1"]]


async def test_without_details_the_next_page_says_whether_this_was_the_end(server, client):
    server.faults.script(*LIST, faults.Answer(200, json.dumps({"transcripts": [item("2")]})))
    server.faults.script(*LIST, faults.Answer(200, '{"transcripts": []}'))
    assert await ids(client) == [["2"], []]


async def test_real_pages_hold_every_item_once(server, client):
    jobs = [await client.submit(recording(str(number))) for number in range(7)]
    read = await ids(client, page_size=3)
    assert [len(page) for page in read] == [3, 3, 1]
    assert [name for page in read for name in page] == [job.id for job in reversed(jobs)]

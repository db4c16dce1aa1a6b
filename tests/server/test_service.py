"""The life of jobs at the service, without HTTP."""

import asyncio

import pytest

from asyncscribe.server.account import Account
from asyncscribe.server.checks import Refused
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.service import UPLOAD_PATH, Service
from asyncscribe.server.storage import Storage
from tests.support import recording


@pytest.fixture
async def service(nothing_left):
    async with Service(SimulatedEngine(), Account(2), Storage()) as opened:
        yield opened


def create(service, name="a", seconds=600, **fields):
    return service.create({"audio_url": recording(name, seconds=seconds), **fields})


async def until_ended(*records):
    while any(record.status in {"queued", "processing"} for record in records):
        await asyncio.sleep(0)


async def test_jobs_above_the_limit_wait_and_are_marked_for_good(service):
    records = [create(service, str(number)) for number in range(3)]
    assert [record.status for record in records] == ["processing", "processing", "queued"]
    service.set_limit(3)
    assert [record.status for record in records] == ["processing"] * 3
    assert [record.document["throttled"] for record in records] == [False, False, True]
    assert list(service.newest_first("throttled")) == records[2:]


async def test_the_list_is_newest_first_between_two_of_its_items(service):
    records = [create(service, str(number)) for number in range(5)]
    assert list(service.newest_first()) == records[::-1]
    assert list(service.newest_first(before=records[4], after=records[1])) == records[3:1:-1]
    assert list(service.newest_first("queued", before=records[4])) == records[3:1:-1]
    assert list(service.newest_first("completed")) == []


async def test_an_upload_that_is_not_there_is_a_failed_job(service):
    urls = [f"https://a.test{UPLOAD_PATH}{'0' * 32}/{'0' * 36}", f"https://a.test{UPLOAD_PATH}short"]
    gone, foreign = [service.create({"audio_url": url}) for url in urls]
    await until_ended(gone, foreign)
    assert "Download error" in gone.document["error"]
    # A foreign address with such a path is an address like any other.
    assert foreign.status == "completed"


async def test_a_job_that_is_deleted_while_it_runs_stays_deleted(service):
    record = create(service, seconds=0.001)
    service.delete(record)
    await until_ended(record)
    assert (record.status, record.document["text"], record.document["words"]) == ("completed", "Deleted by user.", None)
    assert service.find(record.id) is record


async def test_the_secret_of_a_webhook_is_in_no_document_and_no_repr(service):
    record = create(service, webhook_auth_header_name="X", webhook_auth_header_value="s3cret")
    assert record.webhook_header == ("X", "s3cret")
    assert "s3cret" not in repr(record)


async def test_what_is_unknown_is_refused(service):
    with pytest.raises(Refused, match="transcript id not found"):
        service.find("nobody")
    assert service.redacted_audio("nobody") is None


async def test_at_its_end_nothing_runs_on_and_nothing_begins(nothing_left):
    storage = Storage()
    async with Service(SimulatedEngine(), Account(1), storage) as service:
        records = [create(service, str(number)) for number in range(3)]
        folder = storage.folder
    assert [record.status for record in records] == ["processing", "queued", "queued"]
    assert not folder.exists()

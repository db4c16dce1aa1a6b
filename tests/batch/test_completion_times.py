"""When jobs ended at the service, and how late that was noticed."""

from datetime import UTC, datetime, timedelta

import pytest

from asyncscribe import AsyncClient
from asyncscribe.batch import Batch
from asyncscribe.batch.completion_times import ended_at
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.models.pages import ListItem
from asyncscribe.server import faults
from tests.support import KEY, POLLING, recording

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = {"submitting": 100.0, "processing": 101.0, "completed": 120.0}


def listed(seconds, created=CREATED):
    completed = None if seconds is None else CREATED + timedelta(seconds=seconds)
    return ListItem("x", "completed", "u", created, completed)


@pytest.mark.parametrize(
    ("item", "times", "moment"),
    [
        (listed(7.5), TIMES, 108.5),
        # Its clock runs fast, or the answer came late.
        (listed(30), TIMES, 120.0),
        (listed(7.5), {**TIMES, "queued": 100.5}, 108.0),
        # Queued by the first submission, and not by the second.
        (listed(7.5), {**TIMES, "queued": 90.0}, 108.5),
        (listed(None), TIMES, None),
        (listed(7.5, created=None), TIMES, None),
        (listed(7.5), {"completed": 120.0}, None),
        (listed(7.5), {"submitting": 100.0, "completed": 120.0}, None),
        (listed(7.5), {"submitting": 100.0, "processing": 101.0}, None),
    ],
)
def test_the_clocks_are_not_compared(item, times, moment):
    assert ended_at(item, times) == moment


def seconds_between(one, other):
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


async def times_of(output):
    async with SqliteJournal(output, read_only=True) as journal:
        return {entry.recording.name: entry.job.times async for entry in journal.all() if entry.job}


async def test_a_batch_keeps_when_each_job_ended_and_asks_once_for_many(server, tmp_path):
    asked = []

    class Client(AsyncClient):
        def list(self, **filters):
            asked.append(filters)
            return super().list(**filters)

    server.set_limit(100)
    sources = [recording(str(number)) for number in range(450)]
    async with Client(KEY, server.base_url, polling=POLLING, concurrency=100) as client:
        async with Batch(client, tmp_path) as batch:
            assert all([outcome.error is None async for outcome in batch.run(sources)])
    assert asked == [{"status": "completed"}] * 3
    known = await times_of(tmp_path)
    took = {
        record.document["audio_url"]: seconds_between(record.created, record.completed) for record in server.records
    }
    for name, times in known.items():
        (url,) = (url for url in took if f"/{name}?" in url)
        answered = min(times.get("queued", times["processing"]), times["processing"])
        assert times["ended"] == pytest.approx(min(answered + took[url], times["completed"]), abs=0.002)
    assert len(known) == 450


async def test_what_the_list_does_not_tell_is_left_out(server, client, tmp_path):
    rule = faults.FaultRule("GET", "/v2/transcript", 1, faults.Answer(403, "{}"), exact=True)
    server.faults.plan(faults.FaultPlan(1, [rule]))
    async with Batch(client, tmp_path / "out") as batch:
        assert [outcome.error async for outcome in batch.run([recording()])] == [None]
    (times,) = (await times_of(tmp_path / "out")).values()
    assert "ended" not in times
    assert "completed" in times

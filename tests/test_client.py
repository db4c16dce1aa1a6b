import asyncio
import threading

import pytest

from asyncscribe import (
    ConfigurationError,
    SourceError,
    TranscriptionConfig,
)
from asyncscribe.events import LimitChanged
from asyncscribe.server import LocalServer, faults
from tests.support import KEY, open_client, recording


async def test_an_upload_gives_a_url_that_can_be_used_more_than_once(server, client, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"\0" * 32_000)
    url = await client.upload(path)
    assert url.startswith(server.base_url)
    transcripts = await asyncio.gather(client.transcribe(url), client.transcribe(url))
    assert len({transcript.id for transcript in transcripts}) == 2


async def test_a_url_needs_no_upload(client):
    with pytest.raises(SourceError, match="URL already"):
        await client.upload("https://a.test/b.mp3")


async def test_a_configuration_may_be_a_mapping(server, client):
    await client.transcribe(recording(), {"speaker_labels": True})
    await client.transcribe(recording(), TranscriptionConfig(language_code="en"))
    assert server.records[0].document["speaker_labels"] is True
    assert server.records[1].document["language_code"] == "en"


async def test_a_wrong_configuration_is_an_error_before_any_request(server, client):
    with pytest.raises(ConfigurationError, match="speaker_lables"):
        await client.transcribe(recording(), {"speaker_lables": True})
    assert not server.requests


async def test_the_bound_of_jobs_holds(server, nothing_left):
    server.set_limit(50)
    async with open_client(server, concurrency=7) as client:
        most = 0
        async for _ in client.transcribe_many(recording(str(n), seconds=0.02) for n in range(60)):
            most = max(most, sum(record.status in {"queued", "processing"} for record in server.records))
    assert most <= 7


async def test_queued_jobs_slow_the_submission_and_the_limit_is_told(server, events, nothing_left):
    sources = [recording(str(n), seconds=0.05) for n in range(40)]
    async with open_client(server, concurrency=20, on_event=events.append) as client:
        async for _ in client.transcribe_many(sources):
            pass
        assert client.stats.watcher.queued_checks > 0
        assert client.stats.jobs.limit == 20
    limits = [event.limit for event in events if isinstance(event, LimitChanged)]
    assert min(limits) < 20


async def test_200_jobs_at_once_need_no_thread_each(server, nothing_left):
    server.set_limit(200)
    before = threading.active_count()
    most = 0
    async with open_client(server, concurrency=200) as client:
        sources = (recording(str(n), seconds=0.5) for n in range(200))
        async for _ in client.transcribe_many(sources):
            most = max(most, threading.active_count())
    assert most - before <= 2
    assert len(server.records) == 200


async def test_a_handler_of_events_that_fails_costs_nothing(server, caplog, nothing_left):
    def fail(event) -> None:
        raise ValueError("the display fell down")

    async with open_client(server, on_event=fail) as client:
        assert (await client.transcribe(recording())).text
    assert "the event handler failed" in caplog.text
    assert KEY not in caplog.text


async def test_more_handlers_listen_for_a_while(client, events):
    more = []

    def fail(event) -> None:
        raise ValueError("fell down")

    with client.listening(fail), client.listening(more.append):
        await client.transcribe(recording())
    assert more == events
    await client.transcribe(recording())
    assert len(events) == 2 * len(more)


async def test_two_servers_and_two_clients_do_not_disturb_one_another(nothing_left):
    async with LocalServer() as one, LocalServer() as two, open_client(one) as first, open_client(two) as second:
        await asyncio.gather(first.transcribe(recording()), second.transcribe(recording()))
        assert len(one.records) == len(two.records) == 1


async def test_what_aiohttp_repeats_by_itself_is_counted(server, client):
    """On a dead kept connection it sends GET and DELETE once more."""
    transcript_id = (await client.submit(recording(seconds=0))).id
    before = client.stats.transport
    server.faults.script("GET", "/v2/transcript/", faults.Drop())
    await client.get(transcript_id)
    after = client.stats.transport
    assert (after.hidden_repeats, after.retries) == (before.hidden_repeats + 1, before.retries)
    assert after.connections > before.connections


async def test_a_configuration_that_is_none_is_told(client):
    with pytest.raises(ConfigurationError, match="not list"):
        await client.transcribe(recording(), ["speaker_labels"])
    with pytest.raises(ConfigurationError, match="not allowed: redact_pii needs") as raised:
        await client.transcribe(recording(), {"redact_pii": True})
    assert "Value error" not in str(raised.value)

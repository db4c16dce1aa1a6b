import asyncio
from datetime import UTC, datetime

import pytest

from asyncscribe import BadRequest, ConnectFailed, NotFound, UnreadableAnswer, WaitTimeout
from asyncscribe.api.transcripts import RedactedAudio
from asyncscribe.server import LocalServer, faults
from tests.support import KEY, open_client, recording

PII = {"redact_pii": True, "redact_pii_policies": ["person_name"], "redact_pii_audio": True}


@pytest.fixture
async def done(client):
    return await client.transcribe(recording(words=60, duration=24), {"speaker_labels": True})


async def jobs(client, count, **rules):
    return [(await client.transcribe(recording(str(n), seconds=0, **rules))).id for n in range(count)]


async def test_the_list_goes_lazily_over_all_pages_newest_first(server, client):
    ids = await jobs(client, 7)
    assert [item.id async for item in client.list(page_size=3)] == ids[::-1]
    assert server.requests["GET /v2/transcript"] == 3
    items = client.list(page_size=2)
    assert (await anext(items)).id == ids[-1]
    await items.aclose()
    assert server.requests["GET /v2/transcript"] == 4


async def test_the_list_can_be_filtered(server, client):
    good, newer = await jobs(client, 2)
    with pytest.raises(Exception, match="Transcoding"):
        await client.transcribe(recording("bad", error="Transcoding failed"))
    bad = server.records[-1].id
    today = datetime.now(UTC).date()
    assert [item.id async for item in client.list(status="error")] == [bad]
    assert [item.id async for item in client.list(created_on=today, before_id=bad)] == [newer, good]
    assert [item.id async for item in client.list(after_id=good)] == [bad, newer]
    assert [item.id async for item in client.list(created_on=today.replace(year=2001))] == []
    (item,) = [item async for item in client.list(status="error")]
    assert item.error == "Transcoding failed"
    assert item.completed is None
    assert item.created.tzinfo is UTC


async def test_jobs_that_the_limit_held_back_can_be_listed(server, client):
    await asyncio.gather(*(client.transcribe(recording(str(n), seconds=0.05)) for n in range(4)))
    held = [item.id async for item in client.list(throttled_only=True)]
    assert held == [record.id for record in reversed(server.records[2:])]
    assert (await client.get(held[0])).throttled is True


async def test_an_empty_account_has_an_empty_list(client):
    assert [item async for item in client.list()] == []
    assert [transcript async for transcript in client.iter_transcripts()] == []


async def test_the_history_gives_whole_transcripts_and_misses_only_what_vanished(server, client):
    ids = await jobs(client, 20)
    server.faults.script("GET", f"/v2/transcript/{ids[3]}", faults.Answer(404, "{}"))
    transcripts = [transcript async for transcript in client.iter_transcripts()]
    assert [transcript.id for transcript in transcripts] == [i for i in reversed(ids) if i != ids[3]]
    assert all(transcript.words for transcript in transcripts)
    assert [transcript async for transcript in client.iter_transcripts(status="error")] == []


async def test_deletion_empties_a_transcript_and_leaves_it_in_the_list(server, client, done):
    deleted = await client.delete(done.id)
    assert deleted.text == "Deleted by user."
    assert deleted.words == ()
    assert [item.audio_url async for item in client.list()] == ["http://deleted_by_user"]
    with pytest.raises(BadRequest, match="deleted"):
        await client.sentences(done.id)
    with pytest.raises(NotFound):
        await client.delete("nobody")


async def test_sentences_and_paragraphs_hold_the_whole_text(client, done):
    for passages in (await client.sentences(done.id), await client.paragraphs(done.id)):
        assert " ".join(passage.text for passage in passages) == done.text
        assert [word for passage in passages for word in passage.words] == list(done.words)
        assert all(passage.start < passage.end for passage in passages)


async def test_subtitles_of_the_service_and_those_made_here_say_the_same(client, done):
    for form, ours in (("srt", done.to_srt()), ("vtt", done.to_vtt())):
        theirs = await client.subtitles(done.id, form, chars_per_caption=40)
        assert _words(theirs) == _words(ours)
        assert max(map(len, theirs.splitlines())) <= 40
    with pytest.raises(ValueError, match="ass"):
        await client.subtitles(done.id, "ass")
    with pytest.raises(BadRequest):
        await client.subtitles(done.id, "srt", chars_per_caption=0)


def _words(subtitles: str) -> list[str]:
    lines = [line for line in subtitles.splitlines() if "-->" not in line and not line.isdigit() and line != "WEBVTT"]
    return " ".join(lines).split()


async def test_a_search_tells_places_and_indexes(client, done):
    (match,) = await client.search(done.id, ["simulated transcript", "never said"])
    assert match.text == "simulated transcript"
    assert match.count == len(match.indexes) == len(match.timestamps)
    first = match.indexes[0]
    assert [word.text for word in done.words[first : first + 2]] == ["simulated", "transcript"]
    assert match.timestamps[0] == (done.words[first].start, done.words[first + 1].end)


async def test_what_is_not_completed_has_no_views(client):
    job = await client.submit(recording(seconds=100))
    for view in (client.sentences(job.id), client.search(job.id, ["a"]), client.subtitles(job.id)):
        with pytest.raises(BadRequest, match="not been completed"):
            await view


@pytest.mark.looptime
async def test_redacted_audio_is_waited_for_and_downloaded_without_the_key(tmp_path, nothing_left):
    async with LocalServer(api_key=KEY, redaction_seconds=30) as server, open_client(server) as client:
        transcript = await client.transcribe(recording(), PII)
        with pytest.raises(WaitTimeout) as raised:
            await client.redacted_audio(transcript.id, timeout=5)
        assert raised.value.transcript_id == transcript.id
        audio = await client.redacted_audio(transcript.id)
        assert audio.status == "redacted_audio_ready"
        path = tmp_path / "redacted.wav"
        # The server's storage refuses requests that carry a key.
        assert await client.download_redacted_audio(transcript.id, path) == path
        assert path.read_bytes().startswith(b"RIFF")
        with pytest.raises(BadRequest, match="not available"):
            await client.redacted_audio((await client.transcribe(recording())).id)


async def test_a_failed_download_leaves_no_file(server, client, tmp_path):
    path = tmp_path / "redacted.wav"
    for url, kind in [
        (f"{server.base_url}/redacted/unknown", Exception),
        ("http://127.0.0.1:1/nobody", ConnectFailed),
    ]:
        with pytest.raises(kind):
            await client._transcripts.download(RedactedAudio(url, "ready"), path)
    assert list(tmp_path.iterdir()) == []


async def test_subtitles_that_are_no_text_are_unreadable(server, client, done, monkeypatch):
    async def garbage(request, **options):
        return request.read(request, b"\xff\xfe")

    monkeypatch.setattr(client._parts.transport, "send", garbage)
    with pytest.raises(UnreadableAnswer, match="UTF-8"):
        await client.subtitles(done.id)


async def test_several_readers_of_the_list_do_not_disturb_one_another(client):
    ids = await jobs(client, 5)

    async def read() -> list[str]:
        return [item.id async for item in client.list(page_size=1)]

    assert await asyncio.gather(read(), read()) == [ids[::-1]] * 2

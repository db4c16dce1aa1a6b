import time

import pytest

from asyncscribe import TranscriptionFailed
from asyncscribe.testing import Reply, ScriptedEngine, Server, SyncServer
from tests.testing.conftest import URL, text_of

TURNS = [("Ann", "Hello? Who is there?"), ("Bob", "Good morning.")]


async def test_words_have_times_that_are_spread_over_the_duration(scripted, quick):
    scripted.then(text=" one  two\nthree four ", duration=8)
    scripted.then(text="one two three four five")
    scripted.then(text="")
    first, second, third = [await quick.transcribe(URL) for _ in range(3)]
    assert first.text == "one two three four"
    assert [(word.start, word.end) for word in first.words] == [(0, 2000), (2000, 4000), (4000, 6000), (6000, 8000)]
    assert (first.audio_duration, second.audio_duration, second.words[-1].end) == (8, 2, 2000)
    assert (third.text, third.words) == ("", ())
    assert first.speech_model_used == "simulated"


async def test_turns_make_utterances_where_speakers_are_asked_for(scripted, quick):
    scripted.on("*", text=TURNS)
    told_apart = await quick.transcribe(URL, {"speaker_labels": True})
    assert [(part.speaker, part.text) for part in told_apart.utterances] == TURNS
    plain = await quick.transcribe(URL)
    assert plain.text == told_apart.text == "Hello? Who is there? Good morning."
    assert not plain.utterances
    channels = await quick.transcribe(URL, {"multichannel": True})
    assert [(part.speaker, part.channel) for part in channels.utterances] == [("1", "1"), ("2", "2")]
    both = await quick.transcribe(URL, {"multichannel": True, "speaker_labels": True})
    assert [part.speaker for part in both.utterances] == ["1A", "2A"]


async def test_a_text_without_turns_has_one_speaker(scripted, quick):
    scripted.then(text="Good morning.")
    transcript = await quick.transcribe(URL, {"speaker_labels": True})
    assert [(part.speaker, part.text) for part in transcript.utterances] == [("A", "Good morning.")]


async def test_a_job_fails_with_the_text_of_the_service(scripted, quick):
    scripted.on("call-*", error="Audio file contains no speech.")
    with pytest.raises(TranscriptionFailed) as failure:
        await quick.transcribe(URL)
    assert failure.value.reason == "Audio file contains no speech."


async def test_the_first_submissions_fail_by_the_services_fault(scripted, quick):
    scripted.on("*", text="Good morning.", server_errors=1, times=1)
    assert await text_of(quick, URL) == "Good morning."
    assert [record.status for record in scripted.records] == ["error", "completed"]
    scripted.then(server_errors=1)
    assert (await text_of(quick, URL)).startswith("this is a simulated")
    assert len(scripted.records) == 4


async def test_scripts_by_source_come_before_the_next_ones(scripted, quick):
    scripted.then(text="next", times=2)
    scripted.on(URL, text="twice", times=2)
    scripted.on("call-*", text="once", times=1)
    texts = [await text_of(quick, URL) for _ in range(6)]
    assert texts[:5] == ["twice", "twice", "once", "next", "next"]
    assert texts[5].startswith("this is a simulated")


async def test_a_script_for_ever_gives_way_to_a_later_one_for_the_same(scripted, quick):
    scripted.on(URL, text="first")
    scripted.then(text="any", times=None)
    assert await text_of(quick, URL) == "first"
    scripted.on(URL, text="second", times=1)
    scripted.then(text="other", times=None)
    assert [await text_of(quick, URL) for _ in range(3)] == ["second", "other", "other"]


async def test_the_next_ones_are_taken_in_the_order_in_which_jobs_start(nothing_left):
    async with Server(limit=3) as server, server.client(concurrency=3) as client:
        for number in range(9):
            server.then(text=str(number), seconds=0.01 * (3 - number % 3))
        sources = [f"https://recordings.test/{number}.mp3" for number in range(9)]
        texts = {o.source: o.transcript.text async for o in client.transcribe_many(sources)}
        started = sorted(server.records, key=lambda record: record.started)
        assert [texts[record.audio_url] for record in started] == [str(number) for number in range(9)]


async def test_what_is_not_scripted_is_simulated_and_ends_at_once(scripted, quick):
    begun = time.monotonic()
    transcript = await quick.transcribe("https://recordings.test/a.mp3?words=3&duration=3600")
    assert (transcript.text, transcript.audio_duration) == ("this is a", 3600)
    assert time.monotonic() - begun < 5
    scripted.on("*", duration=20)
    assert (await quick.transcribe(URL)).audio_duration == 20


@pytest.mark.parametrize("default", ["Good morning.", Reply("Good morning.", server_errors=1)])
async def test_there_can_be_another_default(nothing_left, default):
    async with Server(default=default) as server, server.client() as client:
        server.then(text="next")
        assert [await text_of(client, URL) for _ in range(3)] == ["next", "Good morning.", "Good morning."]


async def test_a_strict_server_says_what_was_asked_for_and_what_is_scripted(nothing_left):
    async with Server(strict=True) as server, server.client() as client:
        with pytest.raises(TranscriptionFailed, match=r"nothing is scripted for .*call-7\.mp3.*; .*: nothing at all"):
            await client.transcribe(URL)
        server.on("other-*", text="wrong")
        server.on(b"abc", text="wrong")
        server.then(text="Good morning.")
        assert await text_of(client, URL) == "Good morning."
        asked = r"for an upload of 1,000 bytes; scripted is: other-\*, an upload of 3 bytes, then\(\) \(used up\)"
        with pytest.raises(TranscriptionFailed, match=asked):
            await client.transcribe(b"x" * 1000)
    # Nobody tries it again.
    assert len(server.records) == 3


@pytest.mark.parametrize("made", [Server, SyncServer, ScriptedEngine])
def test_strict_and_a_default_exclude_each_other(made):
    with pytest.raises(ValueError, match="a strict server has no default"):
        made(strict=True, default="Good morning.")

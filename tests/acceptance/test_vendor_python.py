"""The vendor's own Python SDK, unmodified, against the local server: the measure of the server."""

import asyncio

import assemblyai as aai
import pytest
from assemblyai import TranscriptionConfig, TranscriptStatus

from asyncscribe.server import LocalServer
from tests.support import EXAMPLES, KEY, recording

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20", "ignore::DeprecationWarning")
AUDIO = EXAMPLES / "audio" / "weather.mp3"


@pytest.fixture
async def service(nothing_left, monkeypatch):
    async with LocalServer(limit=3, api_key=KEY, redaction_seconds=0.2) as server:
        for name, value in {"api_key": KEY, "base_url": server.base_url, "polling_interval": 0.02}.items():
            monkeypatch.setattr(aai.settings, name, value)
        yield server


@pytest.fixture
async def transcriber(service):
    client = aai.Client(settings=aai.settings)
    yield aai.Transcriber(client=client)
    client.http_client.close()


async def transcribe(transcriber, source, config=None):
    return await asyncio.to_thread(transcriber.transcribe, source, config)


async def test_a_file_is_uploaded_and_transcribed(service, transcriber):
    transcript = await transcribe(transcriber, str(AUDIO))
    assert transcript.status is TranscriptStatus.completed
    assert transcript.text.startswith("this is")
    assert transcript.words[0].text == "this"
    assert service.requests["POST /v2/upload"] == 1


async def test_a_url_with_many_features(service, transcriber):
    config = TranscriptionConfig(
        speaker_labels=True,
        sentiment_analysis=True,
        entity_detection=True,
        auto_highlights=True,
        iab_categories=True,
        content_safety=True,
        language_code="en_us",
    )
    transcript = await transcribe(transcriber, recording(words=30, duration=12), config)
    assert {utterance.speaker for utterance in transcript.utterances} == {"A", "B"}
    assert transcript.sentiment_analysis[0].sentiment == "POSITIVE"
    assert transcript.entities[0].text == "transcript"
    assert transcript.auto_highlights.results[0].text == "transcript"
    assert transcript.iab_categories.summary
    assert transcript.content_safety.results[0].labels[0].label == "gambling"


async def test_views_of_a_transcript(service, transcriber):
    transcript = await transcribe(transcriber, recording(words=60, duration=24))
    srt = await asyncio.to_thread(transcript.export_subtitles_srt)
    vtt = await asyncio.to_thread(transcript.export_subtitles_vtt, chars_per_caption=32)
    assert srt.startswith("1\n00:00:00,000 --> ")
    assert vtt.startswith("WEBVTT\n\n00:00")
    sentences = await asyncio.to_thread(transcript.get_sentences)
    paragraphs = await asyncio.to_thread(transcript.get_paragraphs)
    assert " ".join(sentence.text for sentence in sentences) == transcript.text
    assert paragraphs[0].words[0].text == "this"
    matches = await asyncio.to_thread(transcript.word_search, ["simulated transcript", "absent"])
    assert [match.text for match in matches] == ["simulated transcript"]
    assert matches[0].indexes[0] == 3


async def test_a_group(service, transcriber):
    sources = [recording(str(n)) for n in range(6)]
    group = await asyncio.to_thread(transcriber.transcribe_group, sources)
    assert len(group.transcripts) == 6
    assert group.status is TranscriptStatus.completed


async def test_the_list_is_paged(service, transcriber):
    for n in range(5):
        await transcribe(transcriber, recording(str(n)))
    first = await asyncio.to_thread(transcriber.list_transcripts, aai.ListTranscriptParameters(limit=2))
    assert [item.audio_url for item in first.transcripts] == [recording("4"), recording("3")]
    before = first.page_details.before_id_of_prev_url
    second = await asyncio.to_thread(
        transcriber.list_transcripts, aai.ListTranscriptParameters(limit=2, before_id=before)
    )
    assert [item.audio_url for item in second.transcripts] == [recording("2"), recording("1")]
    failed = aai.ListTranscriptParameters(status=TranscriptStatus.error)
    assert (await asyncio.to_thread(transcriber.list_transcripts, failed)).transcripts == []


async def test_deletion(service, transcriber):
    transcript = await transcribe(transcriber, recording())
    deleted = await asyncio.to_thread(aai.Transcript.delete_by_id, transcript.id)
    assert deleted.text == "Deleted by user."
    assert deleted.words is None


async def test_a_failed_job_is_a_transcript_with_an_error(service, transcriber):
    transcript = await transcribe(transcriber, recording(error="Transcoding failed"))
    assert transcript.status is TranscriptStatus.error
    assert transcript.error == "Transcoding failed"


async def test_refusals_are_errors(service, transcriber, monkeypatch):
    with pytest.raises(aai.types.TranscriptError, match="can not be used in the same request"):
        both = TranscriptionConfig(
            speaker_labels=True, speakers_expected=2, speaker_options={"min_speakers_expected": 1}
        )
        await transcribe(transcriber, recording(), both)
    wrong = aai.Client(settings=aai.Settings(api_key="wrong", base_url=service.base_url))
    with pytest.raises(aai.types.TranscriptError, match="Authentication error"):
        await transcribe(aai.Transcriber(client=wrong), recording())
    wrong.http_client.close()


async def test_redacted_audio(service, transcriber):
    config = TranscriptionConfig(
        redact_pii=True, redact_pii_policies=[aai.PIIRedactionPolicy.person_name], redact_pii_audio=True
    )
    transcript = await transcribe(transcriber, recording(), config)
    url = await asyncio.to_thread(transcript.get_redacted_audio_url)
    assert url.startswith(f"{service.base_url}/redacted/")


async def test_the_async_transcriber(service):
    async with aai.AsyncTranscriber() as transcriber:
        transcript = await transcriber.transcribe(str(AUDIO))
        assert transcript.status is TranscriptStatus.completed
        group = await transcriber.transcribe_group([recording(str(n), words=40, duration=16) for n in range(5)])
        assert {one.status for one in group} == {TranscriptStatus.completed}
        assert len((await transcriber.list_transcripts()).transcripts) == 6
        again = await transcriber.get_by_id(group[0].id)
        assert again.text == group[0].text
        assert (await again.export_subtitles_srt()).startswith("1\n")
        assert len(await again.get_sentences()) >= 1
        assert len(await again.get_paragraphs()) >= 1
        assert (await again.word_search(["transcript"]))[0].count > 0
        assert (await transcriber.delete_by_id(again.id)).text == "Deleted by user."


async def test_the_async_transcriber_saves_redacted_audio(service, tmp_path):
    config = TranscriptionConfig(
        redact_pii=True, redact_pii_policies=[aai.PIIRedactionPolicy.person_name], redact_pii_audio=True
    )
    async with aai.AsyncTranscriber() as transcriber:
        transcript = await transcriber.transcribe(recording(), config)
        await transcript.save_redacted_audio(str(tmp_path / "redacted.wav"))
    assert (tmp_path / "redacted.wav").read_bytes().startswith(b"RIFF")

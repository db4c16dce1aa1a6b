import pytest

from asyncscribe.server import LocalServer, PocketSphinxEngine
from tests.support import EXAMPLES, KEY, open_client, recording

EVERYTHING = {
    "speaker_labels": True,
    "entity_detection": True,
    "sentiment_analysis": True,
    "auto_highlights": True,
    "content_safety": True,
    "iab_categories": True,
    "speech_understanding": {
        "request": {
            "translation": {"target_languages": ["de"]},
            "speaker_identification": {"speaker_type": "name", "known_values": ["Ann", "Bob"]},
            "custom_formatting": {"date": "mm/dd/yyyy"},
        }
    },
}


async def test_the_simulated_engine_answers_everything_by_rule(client):
    transcript = await client.transcribe(recording(words=40, duration=16), EVERYTHING)
    assert {utterance.speaker for utterance in transcript.utterances} == {"A", "B"}
    assert " ".join(utterance.text for utterance in transcript.utterances) == transcript.text
    assert transcript.entities[0].text == "transcript"
    assert {result.sentiment for result in transcript.sentiment_analysis_results} == {"POSITIVE", "NEUTRAL", "NEGATIVE"}
    assert transcript.auto_highlights_result.results[0].count > 0
    assert transcript.content_safety_labels.status == transcript.iab_categories_result.status == "success"
    response = transcript.speech_understanding.response
    assert response.speaker_identification.mapping == {"A": "Ann", "B": "Bob"}
    assert transcript.translated_texts == {"de": "simulated in de"}
    assert transcript.speech_model_used == "simulated"


@pytest.mark.filterwarnings("ignore:.* is deprecated. use:DeprecationWarning")
async def test_deprecated_results_too(client):
    assert (await client.transcribe(recording(), {"auto_chapters": True})).chapters[0].headline
    assert (await client.transcribe(recording(), {"summarization": True})).summary


@pytest.mark.parametrize(("labels", "speaker"), [(False, "1"), (True, "1A")])
async def test_channels_are_speakers(client, labels, speaker):
    config = {"multichannel": True} | ({"speaker_labels": True} if labels else {})
    transcript = await client.transcribe(recording(words=12, duration=5, speakers=3), config)
    assert transcript.audio_channels == 3
    assert (transcript.words[0].speaker, transcript.words[0].channel) == (speaker, "1")


async def test_no_words_are_no_results(client):
    transcript = await client.transcribe(recording(words=0), EVERYTHING)
    assert transcript.text == ""
    assert transcript.words == transcript.utterances == ()
    assert transcript.auto_highlights_result.results == ()


async def test_the_real_engine_invents_nothing(nothing_left):
    async with LocalServer(PocketSphinxEngine(workers=1), api_key=KEY) as server, open_client(server) as client:
        transcript = await client.transcribe(EXAMPLES / "audio" / "office.wav", EVERYTHING)
        assert transcript.text.startswith("please call the office")
        assert transcript.auto_highlights_result.status == "unavailable"
        assert transcript.content_safety_labels.status == transcript.iab_categories_result.status == "unavailable"
        assert transcript.speech_understanding.response.translation.status == "unavailable"
        assert transcript.entities == transcript.sentiment_analysis_results == transcript.utterances == ()
        assert transcript.translated_texts is None


async def test_the_real_engine_tells_speakers_by_their_channels(tmp_path, nothing_left):
    import wave

    voices = []
    for name in ("office.wav", "office.wav"):
        with wave.open(str(EXAMPLES / "audio" / name)) as sound:
            voices.append(sound.readframes(sound.getnframes()))
    # The second voice begins when the first has ended, each on its own channel.
    silence = bytes(len(voices[0]))
    left, right = voices[0] + silence, silence + voices[1]
    stereo = b"".join(left[n : n + 2] + right[n : n + 2] for n in range(0, len(left), 2))
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((2, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(stereo)
    async with LocalServer(PocketSphinxEngine(workers=1), api_key=KEY) as server, open_client(server) as client:
        transcript = await client.transcribe(path, {"multichannel": True})
    assert transcript.audio_channels == 2
    spoken = {channel: [w for w in transcript.words if w.channel == channel] for channel in "12"}
    assert "office" in [word.text for word in spoken["1"]]
    assert "office" in [word.text for word in spoken["2"]]
    assert all(word.speaker == word.channel for word in transcript.words)

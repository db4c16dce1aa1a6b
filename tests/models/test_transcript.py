import copy
import json
import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from asyncscribe import Transcript, TranscriptStatus

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
known = [*Transcript.model_fields, "words", "utterances", "chapters", "model_config", "document", "text"]
documents = st.dictionaries(st.sampled_from(known) | st.text(max_size=8), json_values, max_size=12)

DOCUMENT = {
    "id": "t-1",
    "status": "completed",
    "text": "Hello there. Hi.",
    "audio_duration": 7,
    "confidence": 0.9,
    "words": [
        {"text": "Hello", "start": 100, "end": 400, "confidence": 0.9, "speaker": "A"},
        {"text": "there.", "start": 420, "end": 800, "confidence": 0.8, "speaker": "A", "channel": "1"},
        {"text": "Hi.", "start": 2000, "end": 2200, "confidence": 1, "speaker": "B"},
    ],
    "utterances": [
        {"speaker": "A", "text": "Hello there.", "start": 100, "end": 800, "confidence": 0.85, "words": []},
        {"speaker": "B", "text": "Hi.", "start": 2000, "end": 2200, "confidence": 1.0},
    ],
    "chapters": [{"gist": "greeting"}],
    "project_id": 7,
}


def test_a_completed_document_is_typed():
    transcript = Transcript.model_validate(DOCUMENT)
    assert transcript.status is TranscriptStatus.COMPLETED
    assert transcript.is_final
    assert transcript.duration == timedelta(seconds=7)
    assert [word.text for word in transcript.words] == ["Hello", "there.", "Hi."]
    assert transcript.words[1].channel == "1"
    assert transcript.words[2].start == 2000
    assert [utterance.speaker for utterance in transcript.utterances] == ["A", "B"]


def test_the_raw_document_is_kept_and_unknown_fields_are_attributes():
    transcript = Transcript.model_validate(DOCUMENT)
    assert transcript.document is DOCUMENT
    assert transcript.chapters[0].gist == "greeting"
    assert transcript.project_id == 7
    with pytest.raises(AttributeError, match="porject_id"):
        _ = transcript.porject_id


def test_an_unknown_status_is_a_plain_string():
    transcript = Transcript.model_validate({"id": "x", "status": "meditating"})
    assert transcript.status == "meditating"
    assert not transcript.is_final


def test_a_value_of_a_wrong_type_reads_as_none():
    transcript = Transcript.model_validate({"id": "x", "status": "completed", "confidence": "very", "text": 3})
    assert transcript.confidence is None
    assert transcript.text is None
    assert transcript.to_text() == ""
    assert transcript.duration is None


@given(documents, st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5))
def test_any_object_with_an_id_and_a_status_is_readable(document, transcript_id, status):
    transcript = Transcript.model_validate({**document, "id": transcript_id, "status": status})
    assert transcript.id == transcript_id
    assert transcript.status == status
    assert isinstance(transcript.words, tuple)
    assert isinstance(transcript.utterances, tuple)
    assert transcript.to_vtt().startswith("WEBVTT")
    assert isinstance(transcript.to_srt() + transcript.to_text(speakers=True) + repr(transcript), str)
    assert transcript._repr_html_().startswith("<div")


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_keep_the_words(clone):
    assert len(clone(Transcript.model_validate(DOCUMENT)).words) == 3


def test_the_text_names_speakers_when_asked():
    assert Transcript.model_validate(DOCUMENT).to_text(speakers=True) == "Speaker A: Hello there.\nSpeaker B: Hi."


def test_the_repr_is_short():
    long = Transcript.model_validate({"id": "x", "status": "error", "error": "no " * 500})
    assert len(repr(long)) < 120
    assert "<Transcript x error" in repr(long)


def test_a_notebook_shows_who_said_what():
    shown = Transcript.model_validate(DOCUMENT)._repr_html_()
    assert "<b>Speaker A:</b> Hello there.<br><b>Speaker B:</b> Hi.<" in shown
    assert "t-1 · completed · 7 s<" in shown


def test_a_notebook_shows_why_a_job_failed():
    shown = Transcript.model_validate({"id": "x", "status": "error", "error": "no <audio>"})._repr_html_()
    assert "<b>Failed:</b> no &lt;audio&gt;<" in shown
    assert "x · error<" in shown
    assert "no reason" in Transcript.model_validate({"id": "x", "status": "error"})._repr_html_()


@pytest.mark.parametrize("place", ["id", "status", "text", "error", "speaker", "utterance"])
def test_nothing_in_a_transcript_becomes_html(place):
    bad = "<script>alert('x')</script>"
    document = {"id": "x", "status": "completed", "text": "a", place: bad}
    if place in {"speaker", "utterance"}:
        utterance = {"text": "a", "speaker": "A", "start": 0, "end": 1, "confidence": 1.0}
        document["utterances"] = [{**utterance, "speaker" if place == "speaker" else "text": bad}]
    if place == "error":
        document["status"] = "error"
    shown = Transcript.model_validate(document)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in shown


def test_a_transcript_that_is_built_from_another_has_a_document_too():
    transcript = Transcript.model_validate(Transcript(id="t", status="completed", text="a"))
    assert transcript.document["text"] == "a"
    assert transcript.words == ()
    read = Transcript.model_validate_json('{"id": "t", "status": "queued"}')
    assert read.document == read.document == {"id": "t", "status": "queued"}


def test_a_string_of_json_is_read_like_bytes():
    assert Transcript.model_validate_json('{"id": "t", "status": "completed", "x": "ü"}').x == "ü"


def test_a_dump_keeps_the_words_and_all_that_the_service_said():
    document = {
        "id": "x",
        "status": "completed",
        "text": "a b",
        "words": [{"text": "a", "start": 0, "end": 5, "confidence": 0.5, "speaker": None}],
        "project_id": 7,
        "chapters": None,
    }
    for transcript in (
        Transcript.model_validate_json(json.dumps(document)),
        Transcript.model_validate(document),
    ):
        for dumped in (transcript.model_dump(mode="json"), json.loads(transcript.model_dump_json())):
            assert document.items() <= dumped.items()
        again = Transcript.model_validate_json(transcript.model_dump_json())
        assert again.words == transcript.words
        assert again.project_id == 7
        assert transcript.model_dump(include={"id", "words"}).keys() == {"id", "words"}
        assert "words" not in transcript.model_dump(exclude={"words"})
        assert "chapters" not in transcript.model_dump(exclude_none=True)
        # As a web framework does that is told what it returns.
        sent = json.loads(TypeAdapter(list[Transcript]).dump_json([transcript]))
        assert sent[0]["words"] == document["words"]
    made = Transcript(id="x", status="queued")
    assert made.model_dump()["id"] == "x"
    assert "audio_duration" in Transcript.model_json_schema(mode="serialization")["properties"]

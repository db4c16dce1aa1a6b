import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import Transcript
from asyncscribe.models.results import Match, Passage
from tests.models.test_transcript import json_values

DOCUMENT = {
    "id": "t",
    "status": "completed",
    "chapters": [{"gist": "g", "headline": "h", "summary": "s", "start": 0, "end": 9, "new": 1}, "no chapter"],
    "entities": [{"entity_type": "aura", "text": "x", "start": 1, "end": 2}],
    "sentiment_analysis_results": [{"text": "a", "start": None, "end": 3, "sentiment": "POSITIVE", "confidence": 0.5}],
    "auto_highlights_result": {
        "status": "success",
        "results": [{"count": 2, "text": "x", "timestamps": [{"start": 1}]}],
    },
    "content_safety_labels": {
        "status": "success",
        "results": [
            {"text": "a", "labels": [{"label": "drugs", "severity": 0.1}], "timestamp": {"start": 1, "end": 2}}
        ],
        "summary": {"drugs": 0.4},
        "severity_score_summary": {"drugs": {"low": 1.0}},
    },
    "iab_categories_result": {"status": "unavailable", "results": None, "summary": {}},
    "language_detection_results": {"code_switching_languages": [{"language_code": "es"}, {"language": "en"}]},
    "speech_understanding": {
        "request": {"translation": {}},
        "response": {"translation": {"status": "success"}, "speaker_identification": {"mapping": {"A": "Ann"}}},
    },
    "translated_texts": {"de": "Hallo"},
    "unredacted_text": "Ann",
    "unredacted_words": [{"text": "Ann", "start": 0, "end": 5, "confidence": 1}],
    "unredacted_utterances": [{"text": "Ann", "speaker": "A", "translated_texts": {"de": "Ann"}}],
}


@pytest.mark.parametrize("read", [Transcript.model_validate, lambda d: Transcript.model_validate_json(json.dumps(d))])
def test_every_result_is_typed(read):
    transcript = read(DOCUMENT)
    assert [(chapter.headline, chapter.end, chapter.new) for chapter in transcript.chapters] == [("h", 9, 1)]
    assert transcript.entities[0].entity_type == "aura"
    assert transcript.sentiment_analysis_results[0].sentiment == "POSITIVE"
    assert transcript.sentiment_analysis_results[0].start is None
    assert transcript.auto_highlights_result.results[0].timestamps[0].start == 1
    assert transcript.content_safety_labels.results[0].labels[0].severity == 0.1
    assert transcript.content_safety_labels.severity_score_summary["drugs"]["low"] == 1
    assert transcript.iab_categories_result.status == "unavailable"
    assert transcript.iab_categories_result.results == ()
    assert [found.code for found in transcript.language_detection_results.code_switching_languages] == ["es", "en"]
    assert transcript.speech_understanding.response.speaker_identification.mapping == {"A": "Ann"}
    assert transcript.translated_texts == {"de": "Hallo"}
    assert transcript.unredacted_text == transcript.unredacted_words[0].text == "Ann"
    assert transcript.unredacted_utterances[0].translated_texts == {"de": "Ann"}
    assert transcript.document == DOCUMENT


def test_what_was_not_asked_for_is_empty():
    transcript = Transcript.model_validate_json('{"id": "t", "status": "completed"}')
    assert transcript.chapters == transcript.entities == transcript.unredacted_words == ()
    assert transcript.content_safety_labels is transcript.speech_understanding is None


RESULTS = [
    "chapters entities sentiment_analysis_results auto_highlights_result content_safety_labels iab_categories_result",
    "language_detection_results speech_understanding translated_texts unredacted_words unredacted_utterances words",
]


@given(st.sampled_from(" ".join(RESULTS).split()), json_values)
def test_no_result_is_too_odd(name, value):
    transcript = Transcript.model_validate({"id": "t", "status": "completed", name: value})
    assert getattr(transcript, name) is None or repr(getattr(transcript, name))


@given(json_values)
def test_passages_and_matches_are_read_whatever_they_hold(value):
    names = [*Passage.model_fields, "words", *Match.model_fields]
    raw = dict.fromkeys(names, value)
    assert Passage.model_validate(raw).words is not None
    assert Match.model_validate(raw)


def test_a_document_is_held_once():
    transcript = Transcript.model_validate_json('{"id": "t", "status": "completed", "words": []}')
    assert transcript.words == ()
    assert transcript._body is not None
    assert transcript.document["words"] == []
    assert transcript._body is None

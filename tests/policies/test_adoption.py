import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import TranscriptionConfig
from asyncscribe.policies.adoption import contradiction
from asyncscribe.server.documents import transcript
from tests.models.test_transcript import json_values


def shown(**sent) -> dict:
    """The transcript of a submission with these options, as the service echoes it."""
    return transcript("t-1", "queued", {"audio_url": "u", **sent})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"speaker_labels": True, "speakers_expected": 3},
        {"language_code": "en"},
        {"punctuate": False},
        {"keyterms_prompt": ["b", "a"], "speech_models": ["universal-2"]},
        {"redact_pii": True, "redact_pii_policies": ["person_name", "date"]},
        {"language_detection": True, "language_detection_options": {"expected_languages": ["en", "de"]}},
        {"extra": {"something_new": {"a": 1}}},
    ],
)
def test_a_transcript_agrees_with_what_was_sent_for_it(options):
    sent = TranscriptionConfig(**options).to_wire()
    assert contradiction(sent, shown(**sent)) is None


@pytest.mark.parametrize(
    ("sent", "other", "named"),
    [
        ({"speaker_labels": True}, {}, "speaker_labels"),
        ({}, {"speaker_labels": True}, "speaker_labels"),
        ({}, {"punctuate": False}, "punctuate"),
        ({"language_code": "de"}, {"language_code": "en_us"}, "language_code"),
        ({"speakers_expected": 2}, {"speakers_expected": 3}, "speakers_expected"),
        ({"keyterms_prompt": ["a"]}, {"keyterms_prompt": ["b"]}, "keyterms_prompt"),
        ({"audio_end_at": 1000}, {"audio_end_at": 2000}, "audio_end_at"),
        ({"webhook_url": "https://a.test"}, {"webhook_url": "https://b.test"}, "webhook_url"),
        ({"x": {"y": 1}}, {"x": {"y": 2}}, "x"),
    ],
)
def test_another_configuration_is_a_contradiction(sent, other, named):
    assert contradiction(sent, {**shown(), **other}) == named


@pytest.mark.parametrize(
    ("sent", "document"),
    [
        ({"speaker_labels": True}, {}),
        ({"speakers_expected": 2}, {"speakers_expected": None}),
        ({}, {"language_code": "de", "speech_model_used": "universal-2", "remove_audio_tags": "all"}),
        ({"language_code": "en"}, {"language_code": "en_us"}),
        ({"keyterms_prompt": ["a", "b"]}, {"keyterms_prompt": ["b", "a"]}),
        ({"temperature": 0.1}, {"temperature": 0.1000000001}),
        ({"x": {"y": 1, "z": 2}}, {"x": {"y": 1, "w": 3}}),
        ({"x": [1]}, {"x": "one"}),
    ],
)
def test_silence_defaults_and_other_spellings_are_no_contradiction(sent, document):
    assert contradiction(sent, document) is None


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4), json_values)
def test_nothing_breaks_the_comparison(sent, document):
    if isinstance(document, dict):
        assert contradiction(sent, document) is None or isinstance(contradiction(sent, document), str)
    assert contradiction(sent, sent) is None

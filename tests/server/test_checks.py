"""What is refused at once, in the service's words."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.server.checks import BOOLEANS, CHOICES, FIELDS, LISTS, NUMBERS, OBJECTS, STRINGS, Refused, check
from tests.models.test_transcript import json_values
from tests.support import recording


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"audio_url": None}, "audio_url should start with http"),
        ({"audio_url": "ftp://a.test"}, "audio_url should start with http"),
        ({"speech_model": "best"}, "speech_model is deprecated"),
        ({"format_text": "yes"}, "format_text must be a Boolean"),
        ({"language_code": 3}, "language_code must be a String"),
        ({"speech_threshold": "high"}, "speech_threshold must be a Number"),
        ({"temperature": True}, "temperature must be a Number"),
        ({"speech_models": []}, "speech_models"),
        ({"speakers_expected": 2, "speaker_options": {}}, "can not be used in the same request"),
        ({"colour": "red"}, "Unknown field: colour"),
        ({"keyterms_prompt": "a"}, "keyterms_prompt must be a List"),
        ({"speaker_options": []}, "speaker_options must be an Object"),
        ({"audio_end_at": 1.5}, "audio_end_at must be an Integer"),
        ({"speech_threshold": 1.5}, "speech_threshold must be between 0 and 1"),
        ({"content_safety": True, "content_safety_confidence": 24}, "must be between 25 and 100"),
        ({"redact_pii_sub": "stars"}, "redact_pii_sub must be one of: entity_name"),
        ({"redact_pii_return_unredacted": True}, "can only be set to True if `redact_pii` is True"),
        ({"redact_pii_audio": True}, "can only be set to True if `redact_pii` is True"),
        ({"content_safety_confidence": 50}, "needs content_safety"),
        ({"webhook_auth_header_name": "X"}, "must be used together"),
        ({"auto_chapters": True, "summarization": True}, "Only one of"),
        ({"word_boost": ["a"], "speech_models": ["universal-3-pro"]}, "not compatible with universal-3-pro"),
        ({"speech_understanding": {}}, "must have a request"),
        ({"speech_understanding": {"request": {"translation": {}}}}, "translation needs target_languages"),
        (
            {"speech_understanding": {"request": {"speaker_identification": {"speaker_type": "name"}}}},
            "speaker_labels or multichannel required",
        ),
    ],
)
def test_wrong_requests_are_refused_in_the_services_words(fields, text):
    with pytest.raises(Refused) as refused:
        check({"audio_url": recording(), **fields})
    assert text in str(refused.value)


def test_a_request_for_the_least_is_taken():
    check({"audio_url": "https://a.test/a.mp3"})
    with pytest.raises(Refused):
        check({})


def test_every_field_may_be_null_but_the_address():
    check({**dict.fromkeys(FIELDS), "audio_url": "https://a.test/a.mp3"})
    with pytest.raises(Refused):
        check(dict.fromkeys(FIELDS))


def test_each_field_has_one_type():
    kinds = [BOOLEANS, STRINGS, NUMBERS.keys(), LISTS, OBJECTS]
    assert sum(map(len, kinds)) == len(FIELDS)
    assert CHOICES.keys() <= STRINGS


@given(st.sampled_from(sorted(NUMBERS)), st.integers() | st.floats(allow_nan=False))
def test_a_number_is_taken_exactly_within_its_bounds(name, value):
    least, most, whole = NUMBERS[name]
    allowed = least <= value <= most and not (whole and isinstance(value, float))
    try:
        check({"audio_url": "https://a.test/", "content_safety": True, name: value})
    except Refused as refused:
        assert not allowed, refused  # noqa: PT017 - both are wanted
    else:
        assert allowed


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=3), json_values, max_size=4))
def test_no_request_is_too_odd(fields):
    with pytest.raises(Refused):
        check({**fields, "audio_url": None})
    with suppress(Refused):
        check({**fields, "audio_url": "https://a.test/"})

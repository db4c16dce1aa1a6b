import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asyncscribe import TranscriptionConfig

values = {
    "speaker_labels": st.booleans(),
    "language_code": st.text(max_size=5),
    "speech_models": st.lists(st.text(max_size=5), min_size=1, max_size=3),
    "speech_threshold": st.floats(0, 1),
    "audio_start_from": st.integers(0, 10**9),
    "custom_spelling": st.lists(
        st.fixed_dictionaries({"from": st.lists(st.text(max_size=3)), "to": st.text(max_size=3)}), max_size=2
    ),
    "speaker_options": st.fixed_dictionaries({"min_speakers_expected": st.integers(1, 9)}),
    "speech_understanding": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
}
configs = st.fixed_dictionaries({}, optional=values)


def test_only_what_was_set_is_sent():
    assert TranscriptionConfig().to_wire() == {}
    assert TranscriptionConfig(punctuate=False, language_code=None).to_wire() == {"punctuate": False}


@given(configs)
def test_any_configuration_survives_the_wire(fields):
    config = TranscriptionConfig(**fields)
    assert config.to_wire() == fields
    assert TranscriptionConfig(**config.to_wire()) == config


def test_a_misspelt_field_is_an_error():
    with pytest.raises(ValidationError, match="speaker_lables"):
        TranscriptionConfig(speaker_lables=True)


def test_a_field_that_is_not_known_yet_goes_into_extra():
    assert TranscriptionConfig(extra={"new_thing": 1}).to_wire() == {"new_thing": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"speech_threshold": 1.1},
        {"content_safety_confidence": 24},
        {"speech_models": []},
        {"language_codes": ["en", "es", "fr"]},
        {"redact_pii_sub": "stars"},
        {"audio_start_from": -1},
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_sent(fields):
    with pytest.raises(ValidationError):
        TranscriptionConfig(**fields)


def test_a_changed_copy_is_checked_and_leaves_the_original_alone():
    config = TranscriptionConfig(speaker_labels=True)
    assert config.with_(language_code="de").to_wire() == {"speaker_labels": True, "language_code": "de"}
    assert config.to_wire() == {"speaker_labels": True}
    with pytest.raises(ValidationError):
        config.with_(temperature=3)


def test_it_can_not_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        TranscriptionConfig().punctuate = True


def test_the_webhooks_secret_is_sent_and_not_shown():
    config = TranscriptionConfig(webhook_auth_header_value="hunter2")
    assert "hunter2" not in repr(config)
    assert config.to_wire() == {"webhook_auth_header_value": "hunter2"}

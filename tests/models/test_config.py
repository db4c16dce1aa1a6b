import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asyncscribe import TranscriptionConfig
from asyncscribe.models.config import DEPRECATED
from asyncscribe.models.fields import ConfigFields
from asyncscribe.models.options import PiiPolicy, SpeechModel

texts = st.text("abc", max_size=5)
values = {
    "speaker_labels": st.just(True),
    "multichannel": st.booleans(),
    "language_code": texts,
    "speech_models": st.lists(st.sampled_from(SpeechModel) | texts, min_size=1, max_size=3),
    "speech_threshold": st.floats(0, 1),
    "audio_start_from": st.integers(0, 10**9),
    "keyterms_prompt": st.lists(texts, max_size=3),
    "custom_spelling": st.lists(st.fixed_dictionaries({"from": st.lists(texts), "to": texts}), max_size=2),
    "language_detection": st.just(True),
    "speech_understanding": st.fixed_dictionaries(
        {
            "request": st.fixed_dictionaries(
                {"translation": st.fixed_dictionaries({"target_languages": st.just(["de"])})}
            )
        }
    ),
    "extra": st.just({}),
}
dependent = {
    "speaker_options": ("speaker_labels", st.fixed_dictionaries({"min_speakers_expected": st.integers(1, 9)})),
    "language_detection_options": (
        "language_detection",
        st.fixed_dictionaries(
            {"expected_languages": st.lists(texts, max_size=3), "fallback_language": st.just("auto")}
        ),
    ),
}


@st.composite
def configs(draw):
    fields = draw(st.fixed_dictionaries({}, optional=values))
    fields.pop("extra", None)
    if draw(st.booleans()):
        terms = st.dictionaries(texts, st.lists(texts, max_size=2), min_size=1, max_size=2)
        fields |= {"redact_pii": True, "redact_static_entities": draw(terms)}
    for name, (needed, options) in dependent.items():
        if needed in fields and draw(st.booleans()):
            fields[name] = draw(options)
    return fields


def test_only_what_was_set_is_sent():
    assert TranscriptionConfig().to_wire() == {}
    assert TranscriptionConfig(punctuate=False, language_code=None).to_wire() == {"punctuate": False}


@given(configs())
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
        {"custom_spelling": [{"from": ["a"], "to": "two words"}]},
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
    hook = {"webhook_url": "https://a.test", "webhook_auth_header_name": "X", "webhook_auth_header_value": "hunter2"}
    config = TranscriptionConfig(**hook)
    assert "hunter2" not in repr(config)
    assert config.to_wire() == hook


PII = {"redact_pii": True, "redact_pii_policies": ["person_name"]}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"redact_pii": True}, "redact_pii needs redact_pii_policies or redact_static_entities"),
        ({"redact_pii_audio": True}, "redact_pii_audio needs redact_pii"),
        ({"redact_pii_return_unredacted": True}, "needs redact_pii"),
        ({"content_safety_confidence": 50}, "needs content_safety"),
        ({"language_detection_options": {}}, "needs language_detection"),
        ({"speakers_expected": 2}, "needs speaker_labels"),
        ({"speaker_labels": True, "speakers_expected": 2, "speaker_options": {}}, "can't be used together"),
        (
            {"speaker_labels": True, "speaker_options": {"min_speakers_expected": 3, "max_speakers_expected": 2}},
            "not 2",
        ),
        ({"summary_type": "gist"}, "needs summarization"),
        ({"webhook_auth_header_name": "X", "webhook_url": "https://a"}, "needs webhook_auth_header_value"),
        ({"webhook_auth_header_name": "X", "webhook_auth_header_value": "y"}, "needs webhook_url"),
        ({"audio_start_from": 500, "audio_end_at": 500}, r"more than audio_start_from \(500\), not 500"),
        ({"language_codes": ["es", "fr"]}, "must hold 'en', not only es, fr"),
        ({"prompt": "a " * 1501}, "1501 words, 1500 are allowed"),
        ({"keyterms_prompt": ["a b c d e f g"]}, "more than 6 words"),
        (
            {
                "language_detection": True,
                "language_detection_options": {"expected_languages": ["de"], "fallback_language": "en"},
            },
            "'auto' or one of de, not 'en'",
        ),
        ({"speech_understanding": {"request": {"speaker_identification": {"speaker_type": "name"}}}}, "speaker_labels"),
        (
            {
                "speaker_labels": True,
                "speech_understanding": {"request": {"speaker_identification": {"speaker_type": "role"}}},
            },
            "known_values or speakers",
        ),
        (
            {
                "speech_understanding": {
                    "request": {"translation": {"target_languages": ["de"], "match_original_utterance": True}}
                }
            },
            "needs speaker_labels",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_before_anything_is_sent(fields, problem):
    with pytest.raises(ValidationError, match=problem):
        TranscriptionConfig(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        PII | {"redact_pii_audio": True, "redact_pii_return_unredacted": True},
        {"speaker_labels": True, "speakers_expected": 2},
        {"redact_pii_audio": False, "content_safety": True, "content_safety_confidence": 30},
    ],
)
def test_what_fits_together_is_taken(fields):
    assert TranscriptionConfig(**fields).to_wire() == fields


@pytest.mark.parametrize(
    ("fields", "wire"),
    [
        ({"speech_model": "best"}, {"speech_models": ["best"]}),
        ({"dual_channel": True}, {"multichannel": True}),
        ({"word_boost": ["a"], "boost_param": "high"}, {"word_boost": ["a"], "boost_param": "high"}),
        ({"auto_chapters": True}, {"auto_chapters": True}),
        ({"summarization": True, "summary_type": "gist"}, {"summarization": True, "summary_type": "gist"}),
        ({"custom_topics": True, "topics": ["a"]}, {"custom_topics": True, "topics": ["a"]}),
    ],
)
def test_deprecated_fields_are_taken_with_a_warning_that_names_the_replacement(fields, wire):
    with pytest.warns(DeprecationWarning, match="is deprecated: use") as warned:
        config = TranscriptionConfig(**fields)
    assert config.to_wire() == wire
    for name in fields.keys() & DEPRECATED:
        assert any(f"{name} is deprecated: use {DEPRECATED[name]}" in str(warning.message) for warning in warned)


def test_enumerations_take_members_and_new_strings():
    config = TranscriptionConfig(
        speech_models=[SpeechModel.UNIVERSAL_2, "universal-9"], redact_pii=True, redact_pii_policies=["drug", "aura"]
    )
    assert config.redact_pii_policies == (PiiPolicy.DRUG, "aura")
    assert config.to_wire()["speech_models"] == ["universal-2", "universal-9"]


@pytest.mark.parametrize(("name", "content"), [("a.json", '{"punctuate": false}'), ("a.TOML", "punctuate = false\n")])
def test_it_is_read_from_a_file(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert TranscriptionConfig.from_file(tmp_path / name).to_wire() == {"punctuate": False}


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "[1]"), ("a.json", "{"), ("a.toml", "="), ("a.json", '{"x": 1}')]
)
def test_a_file_that_holds_no_configuration_is_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        TranscriptionConfig.from_file(tmp_path / name)


@pytest.mark.parametrize(
    "fields",
    [
        {"redact_pii_policies": ["person_name"]},
        {"redact_pii_policies": ["person_name"], "redact_pii": False},
        {"redact_pii_sub": "hash"},
        {"redact_static_entities": {"project": ["Alder"]}},
        {"redact_pii_audio": True},
    ],
)
def test_what_would_return_text_that_should_be_hidden_is_refused(fields):
    with pytest.raises(ValidationError, match="needs redact_pii"):
        TranscriptionConfig(**fields)


def test_type_checkers_know_every_field():
    """`ConfigFields` says what each field takes; it has those of the model, and the two old names."""
    assert set(ConfigFields.__annotations__) == {*TranscriptionConfig.model_fields, "speech_model", "dual_channel"}

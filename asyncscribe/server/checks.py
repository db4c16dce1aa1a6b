"""Requests refused at once with status 400, as strictly as by the service, and in its words where they are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BOOLEANS = frozenset(
    "auto_chapters auto_highlights content_safety custom_topics disfluencies dual_channel entity_detection "
    "filter_profanity format_text iab_categories language_detection multichannel punctuate redact_pii "
    "redact_pii_audio redact_pii_return_unredacted sentiment_analysis speaker_labels summarization "
    "speed_boost throttled".split()
)
STRINGS = frozenset(
    "audio_url boost_param domain language_code prompt redact_pii_audio_quality redact_pii_sub remove_audio_tags "
    "speech_model summary_model summary_type webhook_auth_header_name webhook_auth_header_value webhook_url".split()
)
#: Least and greatest value, and whether it must be an integer.
NUMBERS: dict[str, tuple[float, float, bool]] = {
    "audio_start_from": (0, float("inf"), True),
    "audio_end_at": (0, float("inf"), True),
    "content_safety_confidence": (25, 100, True),
    "language_confidence_threshold": (0, 1, False),
    "speakers_expected": (1, float("inf"), True),
    "speech_threshold": (0, 1, False),
    "temperature": (0, 1, False),
}
LISTS = frozenset(
    "custom_spelling keyterms_prompt language_codes redact_pii_policies speech_models topics word_boost".split()
)
OBJECTS = frozenset(
    "keyterms_prompt_options language_detection_options redact_pii_audio_options redact_static_entities "
    "speaker_options speech_understanding".split()
)
FIELDS = BOOLEANS | STRINGS | NUMBERS.keys() | LISTS | OBJECTS
CHOICES: dict[str, frozenset[str]] = {
    "redact_pii_audio_quality": frozenset({"mp3", "wav"}),
    "redact_pii_sub": frozenset({"hash", "entity_name", "entity_type"}),
    "summary_model": frozenset({"informative", "conversational", "catchy"}),
    "summary_type": frozenset({"bullets", "bullets_verbose", "gist", "headline", "paragraph"}),
    "boost_param": frozenset({"low", "default", "high"}),
}
MODELS = ("assemblyai-stt-3-7", "universal-3-5-pro", "universal-3-pro", "universal-2")


class Refused(Exception):
    """The request is answered with status 400 and this text."""


def check(parameters: Mapping[str, Any]) -> None:
    """Check the body of `POST /v2/transcript`.

    Raises:
        Refused: It is invalid.
    """
    audio_url = parameters.get("audio_url")
    if not isinstance(audio_url, str) or not audio_url.startswith(("http://", "https://")):
        raise Refused("Transcript creation error, audio_url should start with http")
    if parameters.get("speech_model") is not None:
        raise Refused('speech_model is deprecated. Use "speech_models" instead.')
    given = {name: value for name, value in parameters.items() if value is not None}
    for problem in _problems(given):
        raise Refused(problem)


def _problems(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if name not in FIELDS:
            yield f"Unknown field: {name}"
        if (kind := _wrong_type(name, value)) is not None:
            yield f"{name} must be {kind}"
        if name in CHOICES and value not in CHOICES[name]:
            yield f"{name} must be one of: {', '.join(sorted(CHOICES[name]))}"
        if name in NUMBERS:
            least, most, _ = NUMBERS[name]
            if not least <= value <= most:
                yield f"{name} must be between {least:g} and {most:g}"
    yield from _dependencies(given)


def _wrong_type(name: str, value: Any) -> str | None:
    if name in BOOLEANS and not isinstance(value, bool):
        return "a Boolean"
    if name in STRINGS and not isinstance(value, str):
        return "a String"
    if name in NUMBERS:
        whole = NUMBERS[name][2]
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return "an Integer" if whole else "a Number"
    if name in LISTS and not isinstance(value, list):
        return "a List"
    if name in OBJECTS and not isinstance(value, dict):
        return "an Object"
    return None


def _dependencies(given: Mapping[str, Any]) -> Iterator[str]:
    if "speech_models" in given and not (
        given["speech_models"] and all(isinstance(model, str) for model in given["speech_models"])
    ):
        models = ", ".join(f'"{model}"' for model in MODELS)
        yield f'"speech_models" must be a non-empty list containing one or more of: {models}'
    if "speakers_expected" in given and "speaker_options" in given:
        yield "Both speaker_options and speakers_expected can not be used in the same request."
    if given.get("redact_pii_return_unredacted") and not given.get("redact_pii"):
        yield "`redact_pii_return_unredacted` can only be set to True if `redact_pii` is True"
    if given.get("redact_pii_audio") and not given.get("redact_pii"):
        yield "`redact_pii_audio` can only be set to True if `redact_pii` is True"
    if "content_safety_confidence" in given and not given.get("content_safety"):
        yield "content_safety_confidence needs content_safety"
    if ("webhook_auth_header_name" in given) != ("webhook_auth_header_value" in given):
        yield "webhook_auth_header_name and webhook_auth_header_value must be used together"
    if given.get("auto_chapters") and given.get("summarization"):
        yield "Only one of the following models can be enabled at a time: auto_chapters, summarization"
    if "word_boost" in given and "universal-3-pro" in given.get("speech_models", ()):
        yield '"word_boost" is not compatible with universal-3-pro. Use "prompt" or "keyterms_prompt" instead.'
    yield from _understanding(given)


def _understanding(given: Mapping[str, Any]) -> Iterator[str]:
    understanding = given.get("speech_understanding")
    if understanding is None:
        return
    tasks = understanding.get("request")
    if not isinstance(tasks, dict) or not tasks:
        yield "speech_understanding must have a request"
        return
    if "speaker_identification" in tasks and not (given.get("speaker_labels") or given.get("multichannel")):
        yield "speaker_labels or multichannel required"
    if "translation" in tasks and not (tasks["translation"] or {}).get("target_languages"):
        yield "translation needs target_languages"

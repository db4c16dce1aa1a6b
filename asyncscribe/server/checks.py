"""What is refused at once with status 400, in the service's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BOOLEANS = frozenset(
    "auto_chapters auto_highlights content_safety custom_topics disfluencies dual_channel entity_detection "
    "filter_profanity format_text iab_categories language_detection multichannel punctuate redact_pii "
    "redact_pii_audio redact_pii_return_unredacted sentiment_analysis speaker_labels summarization".split()
)
STRINGS = frozenset("language_code prompt webhook_url webhook_auth_header_name webhook_auth_header_value".split())
NUMBERS = frozenset(
    "audio_start_from audio_end_at language_confidence_threshold speech_threshold temperature speakers_expected".split()
)


class Refused(Exception):
    """The request is answered with status 400 and this text."""


def check(parameters: Mapping[str, Any]) -> None:
    """Check the body of `POST /v2/transcript`.

    Raises:
        Refused: Something is wrong with it.
    """
    audio_url = parameters.get("audio_url")
    if not isinstance(audio_url, str) or not audio_url.startswith(("http://", "https://")):
        raise Refused("Transcript creation error, audio_url should start with http")
    if parameters.get("speech_model") is not None:
        raise Refused('speech_model is deprecated. Use "speech_models" instead.')
    for name, value in parameters.items():
        if value is None:
            continue
        if name in BOOLEANS and not isinstance(value, bool):
            raise Refused(f"{name} must be a Boolean")
        if name in STRINGS and not isinstance(value, str):
            raise Refused(f"{name} must be a String")
        if name in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise Refused(f"{name} must be a Number")
    models = parameters.get("speech_models")
    if models is not None and not (
        isinstance(models, list) and models and all(isinstance(model, str) for model in models)
    ):
        raise Refused('"speech_models" must be a non-empty list containing one or more models')
    if parameters.get("speakers_expected") is not None and parameters.get("speaker_options") is not None:
        raise Refused("Both speaker_options and speakers_expected can not be used in the same request.")

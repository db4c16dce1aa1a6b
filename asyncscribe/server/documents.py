"""The documents that the API returns, in the service's format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from asyncscribe.server import analysis, exports
from asyncscribe.server.encoding import Shared
from asyncscribe.server.engines.base import Recognition

DELETED_URL = "http://deleted_by_user"
#: Returned with every transcript; the request's own values replace them.
DEFAULTS: dict[str, Any] = {
    "language_code": "en_us",
    "punctuate": True,
    "format_text": True,
    "speech_model": None,
    "speech_models": None,
    "multichannel": False,
    "webhook_url": None,
    "auto_highlights": False,
    "redact_pii": False,
    "redact_pii_audio": False,
    "speaker_labels": False,
    "content_safety": False,
    "iab_categories": False,
    "language_detection": False,
    "language_confidence_threshold": None,
    "auto_chapters": False,
    "summarization": False,
    "custom_topics": False,
    "disfluencies": False,
    "filter_profanity": False,
    "sentiment_analysis": False,
    "entity_detection": False,
    "speech_threshold": None,
}
#: Never returned: a secret, and two fields that the specification's answer does not have.
NOT_ECHOED = frozenset({"webhook_auth_header_value", "speaker_options", "content_safety_confidence"})


def transcript(transcript_id: str, status: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A transcript that has not ended: the request's fields and nulls."""
    return {
        "id": transcript_id,
        "language_model": "assemblyai_default",
        "acoustic_model": "assemblyai_default",
        "status": status,
        "text": None,
        "words": None,
        "utterances": None,
        "confidence": None,
        "audio_duration": None,
        "language_confidence": None,
        "throttled": None,
        "webhook_status_code": None,
        "auto_highlights_result": None,
        "summary": None,
        **DEFAULTS,
        # Fields that the specification does not describe as nullable are left out rather than null.
        **{name: value for name, value in parameters.items() if value is not None and name not in NOT_ECHOED},
        "webhook_auth": parameters.get("webhook_auth_header_name") is not None,
    }


def completed(recognition: Recognition, request: Mapping[str, Any], *, simulated: bool) -> dict[str, Any]:
    """The fields that a completed transcript has besides those of `transcript`.

    Args:
        recognition: The engine's result.
        request: The request.
        simulated: Whether results besides the words are made by rule.
    """
    said = _SAID.get(recognition)
    if said is None:
        said = _SAID[recognition] = _said(recognition)
    made = analysis.simulated(request, said["words"]) if simulated else analysis.unavailable(request)
    return {"status": "completed", **said, **made}


#: Cached for jobs that share a recognition.
_SAID: WeakKeyDictionary[Recognition, dict[str, Any]] = WeakKeyDictionary()


def _said(recognition: Recognition) -> dict[str, Any]:
    words = Shared(
        {
            "text": word.text,
            "start": word.start,
            "end": word.end,
            "confidence": round(word.confidence, 5),
            "speaker": word.speaker,
            **({"channel": word.channel} if word.channel is not None else {}),
        }
        for word in recognition.words
    )
    told_apart = any(word.speaker is not None for word in recognition.words)
    confidences = [word.confidence for word in recognition.words]
    return {
        "text": " ".join(word.text for word in recognition.words),
        "words": words,
        "utterances": Shared(exports.utterances(words)) if told_apart else None,
        **({"audio_channels": recognition.channels} if recognition.channels > 1 else {}),
        "confidence": sum(confidences) / len(confidences) if confidences else None,
        # Measured at the service: whole seconds, rounded up.
        "audio_duration": math.ceil(recognition.duration),
        "speech_model_used": recognition.model,
    }


def deleted() -> dict[str, Any]:
    """The fields that replace a deleted transcript's content; its status stays."""
    return {
        "text": "Deleted by user.",
        "audio_url": DELETED_URL,
        "webhook_url": DELETED_URL,
        "words": None,
        "utterances": None,
        "confidence": None,
    }

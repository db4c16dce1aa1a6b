"""The service's webhook notifications: a transcript has ended, or redacted audio is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from asyncscribe.models.transcript import TranscriptId


@dataclass(frozen=True, slots=True)
class TranscriptEnded:
    """A transcript is `completed` or in `error`; `client.get(notification.transcript_id)` returns it."""

    transcript_id: TranscriptId
    status: str


@dataclass(frozen=True, slots=True)
class RedactedAudioReady:
    """A redacted recording is ready. The service does not say for which transcript: put that into the webhook's URL."""

    url: str


Notification: TypeAlias = TranscriptEnded | RedactedAudioReady
"""A notification from the service."""


def parse_notification(body: bytes) -> Notification:
    """Read the body of a webhook request.

    Raises:
        ValueError: It is neither kind of notification.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        raise ValueError("the notification is nested too deeply") from None
    if isinstance(content, Mapping):
        status, identifier = content.get("status"), content.get("transcript_id")
        if isinstance(status, str) and status in {"completed", "error"} and isinstance(identifier, str) and identifier:
            return TranscriptEnded(TranscriptId(identifier), status)
        url = content.get("redacted_audio_url")
        if status == "redacted_audio_ready" and isinstance(url, str) and url:
            return RedactedAudioReady(url)
    raise ValueError("neither a transcript that has ended nor redacted audio that is ready")

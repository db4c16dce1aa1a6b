"""One page of the list of transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncscribe.models.transcript import TranscriptId


@dataclass(frozen=True, slots=True)
class ListItem:
    """What a list page says of one transcript.

    Attributes:
        id: The service's id.
        status: As in `Transcript`.
        audio_url: What is transcribed.
        created: When the service took the job, UTC; None where the page does not say it readably.
        completed: When it was completed, UTC; None if it was not.
        error: Why the job failed; None if it did not.
    """

    id: TranscriptId
    status: str
    audio_url: str
    created: datetime | None
    completed: datetime | None = None
    error: str | None = None


def utc(value: Any) -> datetime | None:
    """A time of the list; None where there is none, or it can't be read."""
    # The specification writes times without a zone, recorded answers end in "Z"; both are UTC.
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None

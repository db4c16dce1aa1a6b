"""One page of the list of transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncscribe.models.transcript import TranscriptId


@dataclass(frozen=True, slots=True)
class ListItem:
    """One transcript as listed on a page.

    Attributes:
        id: The service's id.
        status: As in `Transcript`.
        audio_url: What is transcribed.
        created: When the service accepted the job, UTC; None if missing or unreadable.
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
    """A time from the list; None if it is missing or can't be read."""
    # Times have no zone in the specification and end in "Z" in recorded answers; both are UTC.
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None

"""One page of the list of transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

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

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read one item of `transcripts`."""
        return cls(
            id=TranscriptId(str(raw.get("id", ""))),
            status=str(raw.get("status", "")),
            audio_url=str(raw.get("audio_url", "")),
            created=_utc(raw.get("created")),
            completed=_utc(raw.get("completed")),
            # Recorded answers show "" where the specification promises null.
            error=raw.get("error") or None,
        )


def parse_items(document: Mapping[str, Any]) -> list[ListItem]:
    """The items of one answer of `GET /v2/transcript`, newest first."""
    items = document.get("transcripts")
    return [ListItem.parse(item) for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def has_older(document: Mapping[str, Any]) -> bool:
    """Whether older items follow. The API's `prev_url` leads to older ones, and is null at the end."""
    details = document.get("page_details")
    return isinstance(details, Mapping) and bool(details.get("prev_url"))


def _utc(value: Any) -> datetime | None:
    # The specification writes times without a zone, recorded answers end in "Z"; both are UTC.
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)

"""Reads pages of the list of transcripts. Pure; all callers read pages through `protocol.read_page`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from asyncscribe.api.surrogates import repaired
from asyncscribe.models.pages import ListItem, utc
from asyncscribe.models.transcript import TranscriptId


class ListedTranscript(msgspec.Struct, frozen=True):
    """One item, as received. Pages of 200 are read many times a second, so times stay strings.

    Attributes:
        id: The service's id.
        status: As in `Transcript`.
        audio_url: What is transcribed.
        created: When the service accepted the job.
        completed: When it was completed.
        error: Why it failed.
    """

    id: TranscriptId
    status: str
    audio_url: Any = None
    created: Any = None
    completed: Any = None
    error: Any = None

    def item(self) -> ListItem:
        """The item as users see it."""
        return ListItem(
            id=self.id,
            status=self.status,
            audio_url=str(self.audio_url or ""),
            created=utc(self.created),
            completed=utc(self.completed),
            # Recorded answers show "" where the specification promises null.
            error=str(self.error) if self.error else None,
        )


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of the list of transcripts.

    Attributes:
        items: Newest first. Items without an id or a status are left out.
        older: The id before which the next page begins; None if this is the last page.
    """

    items: list[ListedTranscript]
    older: TranscriptId | None


class _PageDetails(msgspec.Struct, frozen=True):
    prev_url: Any = None


class _Page(msgspec.Struct, frozen=True):
    transcripts: list[ListedTranscript]
    page_details: _PageDetails | None = None


class _LoosePage(msgspec.Struct, frozen=True):
    transcripts: list[Any]
    page_details: Any = None


_PAGES = msgspec.json.Decoder(_Page)
_LOOSE_PAGES = msgspec.json.Decoder(_LoosePage)


def page_of(body: bytes) -> ListPage | None:
    """Read a page; None if it holds no list."""
    try:
        page = _PAGES.decode(body)
    except msgspec.ValidationError:
        return _loosely(body)
    except (msgspec.DecodeError, RecursionError):
        better = repaired(body)
        return None if better is None or better == body else page_of(better)
    details = page.page_details
    return _page(page.transcripts, None if details is None else details.prev_url, known=details is not None)


def _loosely(body: bytes) -> ListPage | None:
    """Read a page with unexpected content: unreadable items are skipped."""
    try:
        page = _LOOSE_PAGES.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    items = []
    for raw in page.transcripts:
        try:
            items.append(msgspec.convert(raw, ListedTranscript))
        except msgspec.ValidationError:
            continue
    if isinstance(page.page_details, Mapping):
        return _page(items, page.page_details.get("prev_url"), known=True)
    return _page(items, None, known=False)


def _page(items: list[ListedTranscript], prev_url: Any, *, known: bool) -> ListPage:
    """Find where the older items begin.

    The API's `prev_url` points to them, and is null on the last page. Only the id is taken from it: an address in an
    answer must not decide which host gets the key.
    """
    last = items[-1].id if items else None
    if not known:
        # Nothing says that this is the last page, so the next one is requested.
        return ListPage(items, last)
    if not isinstance(prev_url, str) or not prev_url:
        return ListPage(items, None)
    try:
        named = parse_qs(urlsplit(prev_url).query).get("before_id", [""])[0]
    except ValueError:
        named = ""
    return ListPage(items, TranscriptId(named) if named else last)

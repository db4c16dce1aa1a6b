"""A page of `GET /v2/transcript`: its filters, its items, its links to adjacent pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from aiohttp import web
from yarl import URL

from asyncscribe.server.checks import Refused
from asyncscribe.server.service import THROTTLED, Record, Service

STATUSES = frozenset({"queued", "processing", "completed", "error"})
#: Encoded items that are cached: the list is read again and again while little of it changes.
KEPT_ITEMS = 4096


def page(service: Service, request: web.Request) -> bytes:
    """The page that a request asks for, as JSON.

    Raises:
        Refused: The request's query is invalid.
    """
    limit = _limit(request.query.get("limit", "10"))
    found = _found(service, request)
    records = list(islice(found, limit))
    more = len(records) == limit and next(found, None) is not None
    origin = str(request.url.origin())
    details = json.dumps(_details(str(request.url), limit, records, more=more))
    items = ", ".join(
        [_item(origin, r.id, r.status, r.created, r.completed, r.audio_url, r.document.get("error")) for r in records]
    )
    return f'{{"page_details": {details}, "transcripts": [{items}]}}'.encode()


def _found(service: Service, request: web.Request) -> Iterator[Record]:
    query = request.query
    status = query.get("status")
    if status is not None and status not in STATUSES:
        raise Refused(f"status must be one of {', '.join(sorted(STATUSES))}")
    day = _day(query.get("created_on"))
    records = service.newest_first(
        THROTTLED if query.get("throttled_only") == "true" else status,
        before=service.find(query["before_id"]) if "before_id" in query else None,
        after=service.find(query["after_id"]) if "after_id" in query else None,
    )
    return records if day is None else (record for record in records if record.created.startswith(day))


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 200:
        raise Refused("limit must be an integer from 1 to 200")
    return int(text)


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007 - a day, not a moment
    except ValueError as error:
        raise Refused("created_on must be a date, YYYY-MM-DD") from error


def _details(current: str, limit: int, records: list[Record], *, more: bool) -> dict[str, Any]:
    beside = _beside(current, limit)
    return {
        "limit": limit,
        "result_count": len(records),
        "current_url": current,
        # "Previous" means older transcripts: an oddity of the API.
        "prev_url": f"{beside}&before_id={records[-1].id}" if more else None,
        "next_url": f"{beside}&after_id={records[0].id}" if records else None,
    }


@lru_cache
def _beside(current: str, limit: int) -> str:
    url = URL(current)
    kept = {name: value for name, value in url.query.items() if name not in {"before_id", "after_id"}}
    return str(url.origin().with_path("/v2/transcript").with_query({**kept, "limit": str(limit)}))


@lru_cache(KEPT_ITEMS)
def _item(
    origin: str, name: str, status: str, created: str, completed: str | None, audio_url: str, error: str | None
) -> str:
    return json.dumps(
        {
            "id": name,
            "resource_url": f"{origin}/v2/transcript/{name}",
            "status": status,
            "created": created,
            "completed": completed,
            "audio_url": audio_url,
            "error": error,
        }
    )

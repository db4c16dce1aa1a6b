"""What the HTTP API means, without sending anything: requests as values, answers read, errors told apart.

The API is described at https://www.assemblyai.com/docs/api-reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from asyncscribe import errors
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import TranscriptId

#: Most items on one list page.
LONGEST_PAGE = 200
#: An error's text is cut to this many characters: what stands in front of the service may answer with a whole page.
LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Request:
    """One request, without its host, key and body stream.

    Attributes:
        method: HTTP method.
        path: Path, from `/v2` on.
        safe: Whether doing it twice is harmless. Only the creation of a transcript is not: it is paid for.
        query: Query parameters.
        json: The JSON body, if there is one.
    """

    method: str
    path: str
    safe: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


UPLOAD = Request("POST", "/v2/upload")


def create_transcript(audio_url: str, config: TranscriptionConfig) -> Request:
    """Ask for a transcript. The only request that costs money and must not be repeated lightly."""
    return Request("POST", "/v2/transcript", safe=False, json={"audio_url": audio_url, **config.to_wire()})


def get_transcript(transcript_id: TranscriptId) -> Request:
    """Ask for a transcript in whatever state it is.

    Raises:
        ConfigurationError: The id can't be one: it would lead to another path.
    """
    # The service's ids are UUIDs; the vendor's command line client allows just these characters.
    if not transcript_id or not all(c.isascii() and (c.isalnum() or c in "-_") for c in transcript_id):
        raise errors.ConfigurationError(f"{transcript_id!r} is not a transcript id")
    return Request("GET", f"/v2/transcript/{transcript_id}")


def list_transcripts(*, limit: int = LONGEST_PAGE, before_id: TranscriptId | None = None) -> Request:
    """Ask for one page of the account's transcripts, newest first."""
    query = {"limit": str(limit)}
    if before_id is not None:
        query["before_id"] = before_id
    return Request("GET", "/v2/transcript", query=query)


def read_document(request: Request, body: bytes) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        UnreadableAnswer: The body is not a JSON object.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise errors.UnreadableAnswer(str(request), f"the answer is not JSON: {_excerpt(body)!r}") from error
    if not isinstance(document, dict):
        raise errors.UnreadableAnswer(str(request), f"the answer is not a JSON object: {_excerpt(body)!r}")
    return document


def api_error(
    request: Request, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> errors.APIError:
    """The error that an answer with a status of 300 or more stands for.

    Args:
        request: What was asked.
        status: HTTP status.
        headers: Headers, looked up without regard to case if the mapping does so.
        body: Whatever came; JSON is promised for 4xx only.
        now: The present time with a zone, for a `Retry-After` that is a date.
    """
    message = _message(body)
    wait = retry_after(headers.get("Retry-After"), now)
    name = str(request)
    match status:
        case 401:
            return errors.AuthenticationError(name, status, f"{message} (is the API key right, and for this region?)")
        case 403:
            return errors.PermissionDenied(name, status, message)
        case 404:
            return errors.NotFound(name, status, message)
        case 422:
            return errors.UploadRejected(name, status, message)
        case 429:
            return errors.RateLimited(name, status, message, wait)
    if status == 400 and "transcript id not found" in message.lower():
        return errors.NotFound(name, status, message)
    if status == 400 and "account balance" in message.lower():
        return errors.AccountError(name, status, message)
    if 400 <= status < 500 and status != 408:
        return errors.BadRequest(name, status, message)
    if status < 400:
        return errors.BadRequest(name, status, "unexpected redirect (is the base URL right?)")
    return errors.ServerError(name, status, message, wait)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a `Retry-After` header: whole seconds or an HTTP date (RFC 9110, 10.2.3).

    None where there is no header or it can't be read. A date in the past is 0.
    """
    if value is None:
        return None
    value = value.strip()
    if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    # "-0000" and a missing zone read as a naive time; HTTP dates are always GMT.
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """The time in a `Date` header, UTC; None where there is none or it can't be read."""
    try:
        date = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _message(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return _excerpt(body) or "(no text)"
    text = document.get("error") if isinstance(document, dict) else None
    return text[:LONGEST_MESSAGE] if isinstance(text, str) and text else _excerpt(body) or "(no text)"


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * LONGEST_MESSAGE].decode("utf-8", "replace").split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"

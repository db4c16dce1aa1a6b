"""The HTTP API without I/O: requests as values, parsing of answers, classification of errors.

The API is described at https://www.assemblyai.com/docs/api-reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from pydantic import ValidationError

from asyncscribe import errors
from asyncscribe.api.pages import ListPage, page_of
from asyncscribe.api.surrogates import repaired
from asyncscribe.masking import Secret
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId, UploadUrl

#: Most items on one list page.
LONGEST_PAGE = 200
#: An error's text is cut to this many characters: a proxy in front of the service may answer with a whole page.
LONGEST_MESSAGE = 300

T_co = TypeVar("T_co", covariant=True)
#: Reads the body of a successful answer; raises `UnreadableAnswer` if it is not as documented.
Reader: TypeAlias = "Callable[[Request[Any], bytes], T_co]"


@dataclass(frozen=True, slots=True)
class Request(Generic[T_co]):
    """One request, without its host, key and body stream.

    Attributes:
        method: HTTP method.
        path: Path, from `/v2` on.
        read: Reads its answer.
        safe: Whether doing it twice is harmless. Only creating a transcript is not: it costs money.
        query: Query parameters.
        json: The JSON body, if any.
    """

    method: str
    path: str
    read: Reader[T_co]
    safe: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def upload() -> Request[UploadUrl]:
    """Send the bytes of a recording; the answer says where the service keeps them."""
    return Request("POST", "/v2/upload", _read_upload)


def create_transcript(audio_url: str, config: TranscriptionConfig) -> Request[Created]:
    """Create a transcript: the only request that costs money, so it must not be repeated lightly."""
    fields = {**config.to_wire(), "audio_url": audio_url}
    if (value := fields.get("webhook_auth_header_value")) is not None:
        fields["webhook_auth_header_value"] = Secret(value)
    return Request("POST", "/v2/transcript", _read_created, safe=False, json=fields)


def get_transcript(transcript_id: TranscriptId) -> Request[Transcript]:
    """Get a transcript in any state.

    Raises:
        ConfigurationError: The id is invalid: it would lead to another path.
    """
    return Request("GET", _path(transcript_id), read_transcript)


def _path(transcript_id: TranscriptId) -> str:
    # The service's ids are UUIDs; the vendor's command line client allows exactly these characters.
    if not transcript_id or not all(c.isascii() and (c.isalnum() or c in "-_") for c in transcript_id):
        raise errors.ConfigurationError(f"{transcript_id!r} is not a transcript id")
    return f"/v2/transcript/{transcript_id}"


def list_transcripts(
    *,
    limit: int = LONGEST_PAGE,
    status: str | None = None,
    created_on: date | None = None,
    before_id: TranscriptId | None = None,
    after_id: TranscriptId | None = None,
    throttled_only: bool = False,
) -> Request[ListPage]:
    """Get one page of the account's transcripts, newest first.

    Args:
        limit: Items on the page, 1 to 200.
        status: Only those in this state.
        created_on: Only those of this day (UTC).
        before_id: Only those created before this one.
        after_id: Only those created after this one.
        throttled_only: Only those that the account's limit held back (deprecated by the service; overrides `status`).
    """
    filters = {
        "limit": limit,
        "status": status,
        "created_on": created_on,
        "before_id": before_id,
        "after_id": after_id,
        "throttled_only": "true" if throttled_only else None,
    }
    query = {name: str(v) for name, v in filters.items() if v is not None}
    return Request("GET", "/v2/transcript", read_page, query=query)


def delete_transcript(transcript_id: TranscriptId) -> Request[Transcript]:
    """Empty a transcript and delete its upload, for good."""
    return Request("DELETE", _path(transcript_id), read_transcript)


def derived(transcript_id: TranscriptId, view: str, **query: str | None) -> Request[dict[str, Any]]:
    """Get a view of a completed transcript: `sentences`, `paragraphs`, `word-search`, `redacted-audio`."""
    path = f"{_path(transcript_id)}/{view}"
    return Request(
        "GET", path, read_document, query={name: value for name, value in query.items() if value is not None}
    )


def subtitles(transcript_id: TranscriptId, form: str, chars_per_caption: int | None = None) -> Request[str]:
    """Get the subtitles (`srt`, `vtt`) of a completed transcript."""
    query = {} if chars_per_caption is None else {"chars_per_caption": str(chars_per_caption)}
    return Request("GET", f"{_path(transcript_id)}/{form}", read_text, query=query)


def read_text(request: Request[Any], body: bytes) -> str:
    """The text of a successful answer.

    Raises:
        UnreadableAnswer: It is not UTF-8.
    """
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.UnreadableAnswer(str(request), f"the answer is not UTF-8: {_excerpt(body)!r}") from error


def read_document(request: Request[Any], body: bytes) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        UnreadableAnswer: The body is not a JSON object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise errors.UnreadableAnswer(str(request), f"the answer is not JSON: {_excerpt(body)!r}") from None
    if not isinstance(document, dict):
        raise errors.UnreadableAnswer(str(request), f"the answer is not a JSON object: {_excerpt(body)!r}")
    return document


def _read_upload(request: Request[Any], body: bytes) -> UploadUrl:
    url = read_document(request, body).get("upload_url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise errors.UnreadableAnswer(str(request), "the answer names no upload_url")
    return UploadUrl(url)


class Created(msgspec.Struct, frozen=True):
    """The answer to a submission; only the id can be relied on.

    Attributes:
        id: The new job's id.
        status: As in `Transcript`.
        throttled: Whether the account's limit holds the job back; None if the service does not say.
    """

    id: TranscriptId
    status: Any = None
    throttled: Any = None


_CREATED = msgspec.json.Decoder(Created)


def _read_created(request: Request[Any], body: bytes) -> Created:
    try:
        created = _CREATED.decode(body)
    except (msgspec.DecodeError, RecursionError):
        better = repaired(body)
        if better is not None and better != body:
            return _read_created(request, better)
        created = Created(TranscriptId(""))
    if not created.id:
        raise errors.UnreadableAnswer(str(request), f"the answer names no id: {_excerpt(body)!r}")
    return created


def read_page(request: Request[Any], body: bytes) -> ListPage:
    """The items of a list page; the only reader of list pages.

    Raises:
        UnreadableAnswer: It holds no list of transcripts. That must not pass for an empty list, which would prove that
            a job does not exist.
    """
    page = page_of(body)
    if page is None:
        raise errors.UnreadableAnswer(str(request), f"the answer is no list of transcripts: {_excerpt(body)!r}")
    return page


def read_transcript(request: Request[Any], body: bytes) -> Transcript:
    """The transcript of a successful answer.

    Raises:
        UnreadableAnswer: The body is not a JSON object, or has no id or no status; all other fields are optional.
    """
    try:
        return Transcript.model_validate_json(body)
    except ValidationError as error:
        if (better := repaired(body)) is not None and better != body:
            return read_transcript(request, better)
        what = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}" for problem in error.errors()
        )
        raise errors.UnreadableAnswer(
            str(request), f"the answer is no transcript ({what}): {_excerpt(body)!r}"
        ) from None


def api_error(
    request: Request[Any], status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> errors.APIError:
    """The error for an answer with status 202, or 300 and above.

    Args:
        request: What was asked.
        status: HTTP status.
        headers: Headers; case-insensitive if the mapping is.
        body: The body; the API documents JSON for 4xx only.
        now: The present time with a zone, for a `Retry-After` that is a date.
    """
    message = _message(body)
    wait = retry_after(headers.get("Retry-After"), now)
    name = str(request)
    text = message.lower()
    if status == 401:
        return errors.AuthenticationError(name, status, f"{message} (is the API key right, and for this region?)")
    if status == 429:
        return errors.RateLimited(name, status, message, wait)
    if status >= 500 or status == 408:
        return errors.ServerError(name, status, message, wait)
    if status == 400 and "transcript id not found" in text:
        return errors.NotFound(name, status, message)
    if status == 400 and "account balance" in text:
        return errors.AccountError(name, status, message)
    if 300 <= status < 400:
        return errors.BadRequest(name, status, "unexpected redirect (is the base URL right?)")
    return _KINDS.get(status, errors.BadRequest)(name, status, message)


_KINDS: Mapping[int, type[errors.APIError]] = {
    202: errors.NotReady,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    422: errors.UploadRejected,
}


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a `Retry-After` header: whole seconds or an HTTP date (RFC 9110, 10.2.3).

    None if the header is missing or can't be read. A date in the past is 0.
    """
    if value is None:
        return None
    value = value.strip()
    if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        time = parsedate_to_datetime(value)
    except ValueError:
        return None
    # "-0000" and a missing zone read as a naive time; HTTP dates are always GMT.
    return max(0.0, ((time if time.tzinfo else time.replace(tzinfo=UTC)) - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """The time in a `Date` header, UTC; None if it is missing or can't be read."""
    try:
        time = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _message(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _excerpt(body) or "(no text)"
    text = document.get("error") if isinstance(document, dict) else None
    return text[:LONGEST_MESSAGE] if isinstance(text, str) and text else _excerpt(body) or "(no text)"


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * LONGEST_MESSAGE].decode("utf-8", "replace").split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"

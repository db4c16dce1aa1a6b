"""The life of jobs at the service: created, queued, run by the engine, ended, deleted."""

from __future__ import annotations

import asyncio
import io
import logging
import secrets
import uuid
import wave
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from asyncscribe.engine.tasks import Tasks
from asyncscribe.server import documents
from asyncscribe.server.account import Account
from asyncscribe.server.checks import Refused
from asyncscribe.server.clock import Clock
from asyncscribe.server.engines.base import SERVER_ERROR, Engine, EngineError, Recognition, Recording
from asyncscribe.server.fetch import Fetcher
from asyncscribe.server.index import Index
from asyncscribe.server.notify import notify
from asyncscribe.server.storage import Storage

_log = logging.getLogger("asyncscribe.server")

#: Path of uploads; only the service itself reads them.
UPLOAD_PATH = "/upload/"
#: Marks the transcripts that the account's limit held back.
THROTTLED = "throttled"


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Record:
    """One transcript.

    Attributes:
        id: Its id.
        position: Number in the order of creation.
        audio_url: What is transcribed; changed when the transcript is deleted.
        document: The answer of `GET /v2/transcript/{id}`.
        created: When it was created, in the API's format.
        completed: When it was completed, in the API's format; None for others.
        webhook_header: Name and value of its webhook's header, if any.
        redacted: Token of its redacted audio, once that is made.
        taken: When it was created, in seconds of the event loop's clock.
        started: When the engine started it, by the same clock; None until then.
        ended: When it was completed or failed, by the same clock; None until then.
    """

    id: str
    position: int
    audio_url: str
    document: dict[str, Any]
    created: str
    completed: str | None = None
    webhook_header: tuple[str, str] | None = field(default=None, repr=False)
    redacted: str | None = None
    taken: float = field(default_factory=_now)
    started: float | None = None
    ended: float | None = None

    @property
    def status(self) -> str:
        """`queued`, `processing`, `completed` or `error`."""
        return str(self.document["status"])


class Service:
    """All transcripts of one account. An async context manager that owns the jobs' tasks.

    Args:
        engine: Turns recordings into words.
        account: Decides which jobs run.
        storage: Keeps uploads.
        redaction_seconds: Seconds after a transcript's completion until its redacted audio is ready.
        list_lag: Seconds until a new transcript appears in the list.
        clock: The service's clock.
    """

    def __init__(
        self,
        engine: Engine,
        account: Account,
        storage: Storage,
        *,
        redaction_seconds: float = 0.0,
        list_lag: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.list_lag = list_lag
        self.clock = clock or Clock()
        self._redaction_seconds = redaction_seconds
        self._engine = engine
        self._account = account
        self._storage = storage
        self._fetcher = Fetcher(storage)
        self._tasks = Tasks()
        self._records: list[Record] = []
        self._by_id: dict[str, Record] = {}
        self._index = Index()
        self._redacted: set[str] = set()

    async def __aenter__(self) -> Self:
        self._storage.open()
        await self._engine.__aenter__()
        await self._fetcher.open()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._tasks.__aexit__(exc_type, exc, traceback)
        finally:
            await self._fetcher.close()
            await self._engine.__aexit__(exc_type, exc, traceback)
            self._storage.close()

    @property
    def can_redact(self) -> bool:
        """Whether redacted audio can be made: only by the simulated engine, as silence."""
        return self._engine.is_simulated

    @property
    def records(self) -> list[Record]:
        """All transcripts in the order of their creation."""
        return self._records

    def create(self, parameters: Mapping[str, Any]) -> Record:
        """Create a job. Nothing is awaited in between, so every request that was read becomes a job."""
        transcript_id = str(uuid.uuid4())
        document = documents.transcript(transcript_id, "queued", parameters)
        name, value = (parameters.get(f"webhook_auth_header_{part}") for part in ("name", "value"))
        record = Record(
            transcript_id,
            len(self._records),
            str(parameters["audio_url"]),
            document,
            self.clock.timestamp(),
            webhook_header=(name, value) if name and value else None,
        )
        self._records.append(record)
        self._by_id[transcript_id] = record
        self._index.add("queued", record.position)
        self._launch(self._account.add(transcript_id))
        document["throttled"] = record.status == "queued"
        if document["throttled"]:
            self._index.add(THROTTLED, record.position)
        return record

    def find(self, transcript_id: str) -> Record:
        """A transcript by its id.

        Raises:
            Refused: It does not exist.
        """
        record = self._by_id.get(transcript_id)
        if record is None:
            raise Refused("Transcript lookup error, transcript id not found")
        return record

    def delete(self, record: Record) -> None:
        """Empty a transcript and remove its upload; it stays in the list."""
        self._storage.remove(_upload_key(record.audio_url) or "")
        record.document |= documents.deleted()
        record.audio_url = documents.DELETED_URL

    def newest_first(
        self, mark: str | None = None, *, before: Record | None = None, after: Record | None = None
    ) -> Iterator[Record]:
        """Listed transcripts from newest to oldest, between two of them.

        Args:
            mark: Only those with this status, or `THROTTLED`; None for all.
            before: Only those that are older than this one.
            after: Only those that are newer than this one.
        """
        end = self._listed() if before is None else min(before.position, self._listed())
        span = range(0 if after is None else after.position + 1, end)
        for position in reversed(span) if mark is None else self._index.newest_first(mark, span):
            yield self._records[position]

    def _listed(self) -> int:
        if not self.list_lag:
            return len(self._records)
        lag = self.list_lag
        return bisect_right(self._records, _now(), key=lambda record: record.taken + lag)

    def set_limit(self, limit: int) -> None:
        """Change the number of jobs that run at once."""
        self._launch(self._account.set_limit(limit))

    def _launch(self, ids: Iterable[str]) -> None:
        if not self._tasks.is_open:
            # A job ended while the server is closing: no further ones are started.
            return
        for transcript_id in ids:
            record = self._by_id[transcript_id]
            record.started = _now()
            self._change(record, {"status": "processing"})
            self._tasks.start_soon(self._run, record)

    def _change(self, record: Record, content: Mapping[str, Any]) -> None:
        self._index.remove(record.status, record.position)
        record.document |= content
        self._index.add(record.status, record.position)

    async def _run(self, record: Record) -> None:
        try:
            recognition = await self._recognise(record)
        except EngineError as error:
            self._change(record, {"status": "error", "error": str(error)})
        except Exception:  # noqa: BLE001 - a bug here costs one job, as at the service
            _log.exception("transcript %s failed", record.id)
            self._change(record, {"status": "error", "error": SERVER_ERROR})
        else:
            content = documents.completed(recognition, record.document, simulated=self._engine.is_simulated)
            if record.audio_url == documents.DELETED_URL:
                content |= documents.deleted()
            self._change(record, content)
            record.completed = self.clock.timestamp()
        record.ended = _now()
        self._launch(self._account.finish(record.id))
        await self._tell(record, {"transcript_id": record.id, "status": record.status})
        if record.status == "completed" and record.document.get("redact_pii_audio") and self._engine.is_simulated:
            await self._redact(record)

    async def _redact(self, record: Record) -> None:
        await asyncio.sleep(self._redaction_seconds)
        record.redacted = secrets.token_hex(16)
        self._redacted.add(record.redacted)

    async def _tell(self, record: Record, content: Mapping[str, Any]) -> None:
        url = record.document.get("webhook_url")
        if url and url != documents.DELETED_URL:
            status = await notify(self._fetcher.session, url, record.webhook_header, content)
            record.document["webhook_status_code"] = status

    def redacted_audio(self, token: str) -> bytes | None:
        """The redacted recording for a token: one second of silence."""
        if token not in self._redacted:
            return None
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, 8_000, 0, "NONE", ""))
            sound.writeframes(bytes(16_000))
        return file.getvalue()

    async def _recognise(self, record: Record) -> Recognition:
        url, parameters = record.audio_url, record.document
        key = _upload_key(url)
        if key is None and not self._engine.needs_audio:
            return await self._engine.transcribe(Recording(url, None, parameters))
        fetched = await self._fetcher.fetch(url) if key is None else None
        try:
            with self._file(fetched or key or "") as path:
                if path is None:
                    raise EngineError(
                        f"Download error, unable to download {url}. Please make sure the file exists and is "
                        "accessible from the internet."
                    )
                recognition = await self._engine.transcribe(Recording(url, path, parameters))
        finally:
            if fetched is not None:
                self._storage.remove(fetched)
        if parameters.get("speaker_labels") and not any(word.speaker for word in recognition.words):
            _log.warning(
                "transcript %s: speaker_labels was requested, but the engine %s does not label speakers",
                record.id,
                self._engine.name,
            )
        return recognition

    @contextmanager
    def _file(self, key: str) -> Iterator[Any]:
        try:
            yield self._storage.use(key)
        finally:
            self._storage.release(key)


def _upload_key(url: str) -> str | None:
    parts = urlsplit(url)
    # Foreign URLs may have such a path too, but not with a key of this form.
    key = parts.path.removeprefix(UPLOAD_PATH)
    return key if parts.path.startswith(UPLOAD_PATH) and len(key) == 69 and key[32] == "/" else None

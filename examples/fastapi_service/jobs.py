"""The jobs of a service: under its own ids, with followers, kept over a restart."""

from __future__ import annotations

import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from pydantic import BaseModel, ConfigDict

from asyncscribe import (
    AsyncClient,
    Config,
    Event,
    Job,
    JobState,
    NotOpen,
    ResumePoint,
    Source,
    TranscriptionRequest,
    WaitError,
)
from asyncscribe.events import JobEvent, StateChanged, UploadProgress

log = logging.getLogger(__name__)

#: Ended jobs whose state is kept: some hundred bytes each, because transcripts stay at AssemblyAI. With several workers
#: or machines, use a table in a database (or Redis, with an expiry) instead.
KEPT = 10_000
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.ABANDONED})
#: Seconds after which an unchanged status is sent again, so that no proxy takes the connection for dead.
SILENCE = 15.0


class Status(BaseModel):
    """What callers see of a job.

    Attributes:
        id: The service's own, impossible to guess.
        state: The job's state.
        transcript_id: AssemblyAI's id, once there is one.
        sent: Bytes uploaded so far.
        error: Why there is no transcript.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState = JobState.CREATED
    transcript_id: str | None = None
    sent: int = 0
    error: str | None = None


class Jobs:
    """Starts jobs, knows their states, and writes down which have to go on in another process.

    Args:
        client: Does the work.
        config: The options of every recording.
        path: JSON lines: the jobs that an earlier process left, and that this one leaves; None keeps none.
        drain: Seconds that jobs have to finish when this is closed.
    """

    def __init__(self, client: AsyncClient, config: Config, path: Path | None, drain: float) -> None:
        self.is_closing = False
        self._client = client
        self._listening = client.listening(self._told)
        self._config = config
        self._path = path
        self._drain = drain
        self._active: dict[str, Job] = {}
        self._statuses: dict[str, Status] = {}
        self._ended: OrderedDict[str, Status] = OrderedDict()
        self._followers: dict[str, set[Callable[[Status], None]]] = {}

    async def __aenter__(self) -> Self:
        self._listening.__enter__()
        self._pick_up()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
        self._listening.__exit__(exc_type, exc, traceback)

    def __len__(self) -> int:
        return len(self._active)

    @property
    def followers(self) -> int:
        """How many followers there are at the moment."""
        return sum(map(len, self._followers.values()))

    def start(
        self,
        source: Source,
        *,
        priority: int = 0,
        timeout: float | None = None,
        key: str | None = None,
        resume: ResumePoint | None = None,
    ) -> Job:
        """Start a job; its id here is `job.request.metadata`.

        Raises:
            NotOpen: The service is shutting down.
        """
        key = key or secrets.token_urlsafe(16)
        request = TranscriptionRequest(source, self._config, metadata=key, resume=resume)
        # It takes and reports its first step in the event loop's next round.
        self._active[key] = job = self._client.start(request, priority=priority, timeout=timeout)
        self._statuses[key] = Status(id=key)
        return job

    def find(self, key: str) -> Status | None:
        """The present status; None for an unknown or forgotten job."""
        return self._statuses.get(key) or self._ended.get(key)

    async def follow(self, key: str) -> AsyncGenerator[Status, None]:
        """Every state of a job from the present one to its end.

        A slow reader gets only the newest progress of an upload, so that nothing piles up.
        """
        status = self.find(key)
        if status is None:
            return
        pending, come = [status], anyio.Event()

        def put(status: Status) -> None:
            if pending and pending[-1].state == status.state:
                pending.pop()
            pending.append(status)
            come.set()

        self._followers.setdefault(key, set()).add(put)
        try:
            while True:
                while pending:
                    status = pending.pop(0)
                    yield status
                    if status.state in ENDED:
                        return
                come = anyio.Event()
                with anyio.move_on_after(SILENCE):
                    await come.wait()
                if not pending:
                    yield status
        finally:
            self._followers[key].discard(put)
            if not self._followers[key]:
                del self._followers[key]

    def _told(self, event: Event) -> None:
        if not isinstance(event, JobEvent) or (status := self._statuses.get(event.metadata)) is None:
            return
        match event:
            case StateChanged():
                error = event.detail if event.state in ENDED else None
                changes: dict[str, object] = {
                    "state": event.state,
                    "transcript_id": event.transcript_id,
                    "error": error,
                }
            case UploadProgress():
                changes = {"sent": event.sent}
            case _:
                return
        self._changed(status.model_copy(update=changes))

    def _changed(self, status: Status) -> None:
        if status.state in ENDED:
            del self._active[status.id], self._statuses[status.id]
            self._ended[status.id] = status
            if len(self._ended) > KEPT:
                self._ended.popitem(last=False)
        else:
            self._statuses[status.id] = status
        for put in tuple(self._followers.get(status.id, ())):
            put(status)

    # From one process to the next.

    async def close(self) -> None:
        """Start nothing more, let submitted jobs finish, and write down those that did not finish in time."""
        self.is_closing = True
        active = dict(self._active)
        await self._client.aclose(drain=self._drain)
        lines = [line for key, job in active.items() if (line := _left(key, job)) is not None]
        if not lines:
            return
        if self._path is None:
            log.warning("not kept: %s", ", ".join(lines))
            return
        # Its addresses may be signed.
        self._path.touch(mode=0o600)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def _pick_up(self) -> None:
        if self._path is None or not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines()
        # Before anything is submitted: if this process crashes, the next one must not submit it again.
        self._path.unlink()
        for left in map(json.loads, lines):
            # More than `client.wait(id)`: it is resubmitted if AssemblyAI fails it, and kept over the next restart too.
            ids = (left["transcript_id"],) if left["transcript_id"] else ()
            point = ResumePoint(audio_url=left["audio_url"], ids=ids)
            self.start(left["audio_url"], key=left["id"], resume=point)


def _left(key: str, job: Job) -> str | None:
    """The line of a job that only the shutdown ended; None for any other."""
    if not isinstance(job.error, NotOpen | WaitError):
        return None
    source = job.request.source
    audio_url = job.audio_url or (source if isinstance(source, str) else None)
    transcript_id = job.error.transcript_id if isinstance(job.error, WaitError) else None
    # Without an address its upload was cut off, and its sender got the error.
    return audio_url and json.dumps({"id": key, "transcript_id": transcript_id, "audio_url": audio_url})

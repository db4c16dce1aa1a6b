"""The jobs of a service: under ids of its own, followed by whoever is interested, kept over a restart."""

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

#: Jobs that have ended of which the state is kept: some hundred bytes each, for transcripts stay at AssemblyAI. With
#: several workers or machines, a table in a database (or Redis, with an expiry) takes the place of this memory.
KEPT = 10_000
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.ABANDONED})
#: Seconds after which a silent follower is told the same again, so that no proxy takes its connection for dead.
SILENCE = 15.0


class Status(BaseModel):
    """What is told of a job.

    Attributes:
        id: The service's own, not to be guessed.
        state: Where the job is.
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
    """Begins jobs, knows their states, and writes down what has to go on in another process.

    Args:
        client: Does the work.
        config: What is done with every recording.
        path: JSON lines: the jobs that an earlier process left, and that this one leaves; None keeps none.
        drain: Seconds that jobs may take to end when this is closed.
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
        """How many follow a job at the moment."""
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
        """Begin a job; its id here is `job.request.metadata`.

        Raises:
            NotOpen: The service is about to end.
        """
        key = key or secrets.token_urlsafe(16)
        request = TranscriptionRequest(source, self._config, metadata=key, resume=resume)
        # It takes its first step, and tells of it, in the event loop's next round.
        self._active[key] = job = self._client.start(request, priority=priority, timeout=timeout)
        self._statuses[key] = Status(id=key)
        return job

    def find(self, key: str) -> Status | None:
        """The present status; None for a job that nobody knows (any more)."""
        return self._statuses.get(key) or self._ended.get(key)

    async def follow(self, key: str) -> AsyncGenerator[Status, None]:
        """Every state of a job from the present one to its end.

        Of the progress of an upload a slow reader gets what is newest, so that nothing piles up for it.
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
        """Begin nothing more, let end what the service has, and write down what did not end in time."""
        self.is_closing = True
        active = dict(self._active)
        await self._client.aclose(drain=self._drain)
        lines = [line for key, job in active.items() if (line := _left(key, job)) is not None]
        if not lines:
            return
        if self._path is None:
            log.warning("not kept: %s", ", ".join(lines))
            return
        # The addresses in it may be signed.
        self._path.touch(mode=0o600)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def _pick_up(self) -> None:
        if self._path is None or not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines()
        # Before anything is submitted: should this process crash, the next one must not submit it once more.
        self._path.unlink()
        for left in map(json.loads, lines):
            # More than `client.wait(id)`: it is submitted again should AssemblyAI fail it, and told at the next end.
            ids = (left["transcript_id"],) if left["transcript_id"] else ()
            point = ResumePoint(audio_url=left["audio_url"], ids=ids)
            self.start(left["audio_url"], key=left["id"], resume=point)


def _left(key: str, job: Job) -> str | None:
    """The line of a job that was ended by the service's end alone; None of any other."""
    if not isinstance(job.error, NotOpen | WaitError):
        return None
    source = job.request.source
    audio_url = job.audio_url or (source if isinstance(source, str) else None)
    transcript_id = job.error.transcript_id if isinstance(job.error, WaitError) else None
    # Without an address its upload was cut off, and whoever sent it was told so.
    return audio_url and json.dumps({"id": key, "transcript_id": transcript_id, "audio_url": audio_url})

"""A web service on FastAPI: takes recordings, answers at once, reports their progress.

uvicorn --app-dir examples/fastapi_service app:app --timeout-graceful-shutdown 5
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from jobs import Jobs, Status
from pydantic import BaseModel, Field

from asyncscribe import (
    AsyncClient,
    AsyncscribeError,
    Backoff,
    ConfigurationError,
    Job,
    JobState,
    NotOpen,
    SourceError,
    Transcript,
    TranscriptionConfig,
    TranscriptionFailed,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.webhooks import Notification, TranscriptEnded, WebhookReceiver

log = logging.getLogger(__name__)

#: Jobs at AssemblyAI at once; unset: finds and follows the account's limit.
CONCURRENCY = os.environ.get("CONCURRENCY")
#: Where AssemblyAI can reach `POST /hook`, and the secret that it sends there. Set both, or neither.
HOOK_URL = os.environ.get("HOOK_URL")
HOOK_SECRET = os.environ.get("HOOK_SECRET") or secrets.token_hex()
HOOK_HEADER = "X-Hook-Secret"
#: JSON lines with the jobs that go on when this process ends.
LEFT_FILE = os.environ.get("LEFT_FILE")
#: Seconds that jobs have to finish after a SIGTERM. Less than the supervisor's grace period: Kubernetes waits for 30.
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "20"))
#: Seconds that a caller waits at `POST /interactive`.
INTERACTIVE_SECONDS = float(os.environ.get("INTERACTIVE_SECONDS", "300"))
#: Seconds after which a silent sender is given up, because it holds one of the uploads.
STALLED = 30.0
#: Uploads at once: more than the client's default of 4, because they come over the callers' slower lines.
UPLOADS = 16
#: Jobs at once, including those waiting for a slot; above it, callers get a 503. Each takes some KiB.
MOST = 10_000
#: With a webhook, polls are only for lost notifications.
POLLING = Backoff(initial=30, maximum=300) if HOOK_URL else Backoff(initial=1, factor=1.5, maximum=10)

STATUSES: dict[type[AsyncscribeError], int] = {
    ConfigurationError: 422,
    SourceError: 422,
    TranscriptionFailed: 422,
    NotOpen: 503,
    WaitInterrupted: 503,
    WaitTimeout: 504,
}


class Service:
    """What all requests share."""

    def __init__(self, client: AsyncClient) -> None:
        config = TranscriptionConfig()
        if HOOK_URL:
            config = config.with_webhook(HOOK_URL, header_name=HOOK_HEADER, header_value=HOOK_SECRET)
        self.client = client
        self.jobs = Jobs(client, config, Path(LEFT_FILE) if LEFT_FILE else None, DRAIN_SECONDS)
        self.receiver = WebhookReceiver(self._notified, header_name=HOOK_HEADER, header_value=HOOK_SECRET)

    async def _notified(self, notification: Notification) -> None:
        if isinstance(notification, TranscriptEnded):
            self.client.hint(notification.transcript_id)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Service]]:
    """Open the client with the application, and let jobs finish before it is closed."""
    limit = int(CONCURRENCY) if CONCURRENCY else None
    async with AsyncClient(concurrency=limit, uploads=UPLOADS, polling=POLLING) as client:
        service = Service(client)
        async with service.receiver, service.jobs:
            with DrainFirst(service):
                yield {"service": service}


class DrainFirst:
    """On SIGTERM, drain before uvicorn hears of it.

    uvicorn closes its port at once, and ends the lifespan only when all connections have ended: nobody could ask for a
    status while jobs finish, or see at `/health` that no more should be sent here. A second signal ends the drain.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._uvicorns = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> None:
        for number in self._uvicorns:
            asyncio.get_running_loop().add_signal_handler(number, self._begin, number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._uvicorns.items():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)

    def _begin(self, number: signal.Signals) -> None:
        task = asyncio.create_task(self._end(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, number: signal.Signals) -> None:
        try:
            if self._service.jobs.is_closing:
                await self._service.client.aclose()
            else:
                await self._service.jobs.close()
        finally:
            handler = self._uvicorns[number]
            if callable(handler):
                handler(number, None)


app = FastAPI(title="Transcriptions", lifespan=lifespan)


def _service(request: Request) -> Service:
    service: Service = request.state.service
    return service


Shared = Annotated[Service, Depends(_service)]


class Handle(BaseModel):
    """A job's id and URL."""

    id: str
    url: str


class ByUrl(BaseModel):
    """A recording that AssemblyAI fetches itself."""

    # Anything else would be read as a file of this machine.
    url: str = Field(pattern=r"^https?://")


class Answer(Status):
    """A job's status, and its transcript with all words once there is one."""

    transcript: Transcript | None = None


@app.exception_handler(AsyncscribeError)
async def failed(request: Request, error: AsyncscribeError) -> JSONResponse:
    """Answer with the errors of jobs and of AssemblyAI."""
    # Logged as well, because the caller may be what failed, and be gone.
    log.warning("%s %s: %s", request.method, request.url.path, error)
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 502)
    content = {"error": str(error), "transcript_id": getattr(error, "transcript_id", None)}
    return JSONResponse(content, status, {"Retry-After": "30"} if status == 503 else None)


@app.post("/jobs", status_code=202)
async def post_audio(request: Request, response: Response, service: Shared) -> Handle:
    """Stream a recording from the body to AssemblyAI: it is neither written to disk nor held in memory.

    The body can be read only during the request, so the answer comes when all of it was sent on.
    """
    check_room(service)
    job = service.jobs.start(body(request))
    await uploaded(job, service)
    return handle(job, request, response)


@app.post("/jobs/by-url", status_code=202)
async def post_url(source: ByUrl, request: Request, response: Response, service: Shared) -> Handle:
    """Take an address, and answer at once."""
    check_room(service)
    return handle(service.jobs.start(source.url), request, response)


@app.get("/jobs/{key}", name="job")
async def get(key: str, service: Shared) -> Answer:
    """A job's status; when it has ended, its transcript or its error."""
    status = known(key, service)
    transcript = None
    if status.state is JobState.COMPLETED and status.transcript_id:
        transcript = await service.client.get(status.transcript_id)
    return Answer(**status.model_dump(), transcript=transcript)


@app.get("/jobs/{key}/events")
async def events(key: str, service: Shared) -> StreamingResponse:
    """Each state and the progress of the upload, until the end, as server-sent events."""
    known(key, service)

    async def lines() -> AsyncGenerator[str, None]:
        async with aclosing(service.jobs.follow(key)) as states:
            async for status in states:
                yield f"data: {status.model_dump_json()}\n\n"

    # A client that leaves ends only `lines`. Proxies such as nginx must not buffer them.
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


@app.post("/interactive")
async def interactive(request: Request, service: Shared) -> Answer:
    """Take a recording for which the caller waits: it goes before all others, and the answer is its transcript."""
    check_room(service)
    job = service.jobs.start(body(request), priority=10, timeout=INTERACTIVE_SECONDS)
    await uploaded(job, service)
    # uvicorn reports a caller that leaves only when it is asked, and only after the whole body was read.
    gone = asyncio.create_task(cancel_when_gone(request, job))
    try:
        transcript = await job.wait()
    finally:
        gone.cancel()
    status = known(job.request.metadata, service)
    return Answer(**status.model_dump(), transcript=transcript)


@app.post("/hook")
async def hook(request: Request, service: Shared) -> Response:
    """AssemblyAI reports here that a job has ended."""
    return Response(status_code=await service.receiver.receive(request.headers, request.stream()))


@app.get("/health")
async def health(service: Shared) -> JSONResponse:
    """The client's statistics; 503 while jobs drain, so that no more requests are sent here."""
    closing = service.jobs.is_closing
    content: dict[str, Any] = {
        "draining": closing,
        "jobs": len(service.jobs),
        "followers": service.jobs.followers,
        "client": asdict(service.client.stats),
    }
    return JSONResponse(content, 503 if closing else 200)


async def body(request: Request) -> AsyncGenerator[bytes, None]:
    """The request's body, unless its sender stalls."""
    chunks = request.stream()
    while True:
        async with asyncio.timeout(STALLED):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk


async def uploaded(job: Job, service: Service) -> None:
    """Wait until the whole recording is uploaded.

    Raises:
        AsyncscribeError: The upload failed.
    """
    async with aclosing(service.jobs.follow(job.request.metadata)) as states:
        async for status in states:
            if status.state not in {JobState.CREATED, JobState.UPLOADING}:
                break
    if job.error is not None:
        raise job.error


async def cancel_when_gone(request: Request, job: Job) -> None:
    """Cancel a job when its caller leaves; if AssemblyAI has it, it goes on there, and its id is logged."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    job.cancel()


def check_room(service: Service) -> None:
    """Refuse a job when there are too many already."""
    if len(service.jobs) >= MOST:
        raise HTTPException(503, "too many jobs wait", {"Retry-After": "60"})


def handle(job: Job, request: Request, response: Response) -> Handle:
    """A job's URL, also in the `Location` header."""
    url = str(request.url_for("job", key=job.request.metadata))
    response.headers["Location"] = url
    return Handle(id=job.request.metadata, url=url)


def known(key: str, service: Service) -> Status:
    """The status of a job, or 404."""
    status = service.jobs.find(key)
    if status is None:
        raise HTTPException(404, "there is no such job, or it ended long ago")
    return status

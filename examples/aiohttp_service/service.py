"""A web service on aiohttp: one client, shared by all requests.

python examples/aiohttp_service/service.py, then: curl --data-binary @talk.mp3 http://127.0.0.1:8080/
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from asyncscribe import (
    AsyncClient,
    AsyncscribeError,
    Job,
    JobState,
    NotOpen,
    SourceError,
    TranscriptionFailed,
    WaitInterrupted,
    WaitTimeout,
)

#: Jobs at AssemblyAI at once; unset: finds and follows the account's limit.
CONCURRENCY = os.environ.get("CONCURRENCY")
#: Seconds that jobs have to finish after a SIGTERM.
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "20"))
#: Seconds that a caller waits at `POST /`.
INTERACTIVE_SECONDS = 300.0
#: Jobs in memory. Above it the oldest that has ended is forgotten; if none has, no more are accepted. Each keeps its
#: whole transcript; examples/fastapi_service keeps only ids. With several processes, use a table in a database.
KEPT = 1_000

log = logging.getLogger(__name__)
CLIENT = web.AppKey("client", AsyncClient)
JOBS = web.AppKey("jobs", OrderedDict[str, Job])
STATUSES: dict[type[AsyncscribeError], int] = {
    SourceError: 422,
    TranscriptionFailed: 422,
    NotOpen: 503,
    WaitInterrupted: 503,
    WaitTimeout: 504,
}
routes = web.RouteTableDef()


@routes.post("/")
async def transcribe(request: web.Request) -> web.Response:
    """Stream the body on to the API, without holding it in memory, and answer with the text."""
    # A caller waits for this job: it goes before everything else that the service transcribes. A caller that leaves
    # cancels this handler, and so the job; its id is logged if AssemblyAI has it.
    transcript = await request.app[CLIENT].transcribe(
        request.content.iter_any(), timeout=INTERACTIVE_SECONDS, priority=10
    )
    return web.json_response({"id": transcript.id, "text": transcript.text})


@routes.post("/jobs")
async def start(request: web.Request) -> web.Response:
    """Stream the body on to the API, and answer with the job's URL as soon as AssemblyAI has the job."""
    jobs = request.app[JOBS]
    make_room(jobs)
    key = secrets.token_urlsafe(16)
    jobs[key] = job = request.app[CLIENT].start(request.content.iter_any())
    try:
        await job.submitted()
    except BaseException:
        # The body ends with this request.
        job.cancel()
        del jobs[key]
        raise
    url = request.app.router["job"].url_for(key=key)
    return web.json_response({"id": key, "url": str(url)}, status=202, headers={"Location": str(url)})


@routes.get("/jobs/{key}", name="job")
async def status(request: web.Request) -> web.Response:
    """A job's state; when it has ended, its text or its error."""
    job = request.app[JOBS].get(request.match_info["key"])
    if job is None:
        raise web.HTTPNotFound
    text = job.transcript and job.transcript.text
    error = job.error and str(job.error)
    return web.json_response({"state": job.state, "transcript_id": job.id, "text": text, "error": error})


def make_room(jobs: OrderedDict[str, Job]) -> None:
    """Forget the oldest job that has ended, if there are too many.

    Raises:
        web.HTTPServiceUnavailable: No job has ended.
    """
    if len(jobs) < KEPT:
        return
    ended = (key for key, job in jobs.items() if job.state in {JobState.COMPLETED, JobState.FAILED, JobState.ABANDONED})
    key = next(ended, None)
    if key is None:
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "60"})
    del jobs[key]


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the errors of jobs and of AssemblyAI."""
    try:
        return await handler(request)
    except AsyncscribeError as error:
        code = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 502)
        transcript_id = getattr(error, "transcript_id", None)
        return web.json_response({"error": str(error), "transcript_id": transcript_id}, status=code)


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open the client with the application and close it at the end."""
    async with AsyncClient(concurrency=int(CONCURRENCY) if CONCURRENCY else None) as opened:
        app[CLIENT] = opened
        yield


async def drain(app: web.Application) -> None:
    """Let jobs finish. aiohttp calls this after it stops accepting connections and before it waits for handlers."""
    for transcript_id in await app[CLIENT].aclose(drain=DRAIN_SECONDS):
        log.warning("transcript %s goes on; client.wait picks it up", transcript_id)


def application() -> web.Application:
    """The service."""
    app = web.Application(middlewares=[errors])
    app[JOBS] = OrderedDict()
    app.cleanup_ctx.append(client)
    app.on_shutdown.append(drain)
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    web.run_app(application(), host="127.0.0.1", port=port, handler_cancellation=True)

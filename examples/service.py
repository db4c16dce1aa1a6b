"""A web service that transcribes what is posted to it: one client, shared by all requests.

python examples/service.py, then: curl --data-binary @talk.mp3 http://127.0.0.1:8080/
"""

from collections.abc import AsyncIterator

from aiohttp import web

from asyncscribe import AsyncClient, SourceError, TranscriptionFailed, WaitTimeout

CLIENT = web.AppKey("client", AsyncClient)


async def transcribe(request: web.Request) -> web.Response:
    """Stream the body on to the API, without holding it in memory, and answer with the text."""
    try:
        # Somebody waits for this one: it goes before whatever else the service transcribes.
        transcript = await request.app[CLIENT].transcribe(request.content.iter_any(), timeout=300, priority=1)
    except (SourceError, TranscriptionFailed) as error:
        return web.json_response({"error": str(error)}, status=422)
    except WaitTimeout as error:
        return web.json_response({"error": str(error), "id": error.transcript_id}, status=504)
    return web.json_response({"id": transcript.id, "text": transcript.text})


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open the client with the application and close it at the end."""
    async with AsyncClient(concurrency=5) as opened:
        app[CLIENT] = opened
        yield


def application() -> web.Application:
    """The service."""
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post("/", transcribe)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=8080)

"""The HTTP side of the local server: routes, key, rate limit, JSON errors."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from asyncscribe.server import exports, listing
from asyncscribe.server.checks import Refused, check
from asyncscribe.server.encoding import answer, raw_answer
from asyncscribe.server.faults import Faults, Handler, route
from asyncscribe.server.rates import Rate
from asyncscribe.server.service import UPLOAD_PATH, Service
from asyncscribe.server.storage import Storage, TooLarge

ACCESS_DENIED = "<Error><Code>AccessDenied</Code></Error>"
#: Path of redacted recordings, which need no key.
REDACTED_PATH = "/redacted/"


def build(
    service: Service,
    storage: Storage,
    *,
    faults: Faults,
    rate: Rate,
    requests: Counter[str],
    api_key: str | None,
) -> web.Application:
    """The application.

    Args:
        service: The account's transcripts.
        storage: Where uploads go.
        faults: Answers that are to fail.
        rate: The account's limit of requests.
        requests: Counts requests by method and route.
        api_key: The only key that is accepted; None accepts any.
    """
    app = web.Application(
        middlewares=[
            _counting(service, requests),
            _json_errors,
            _authenticating(api_key),
            _limiting(rate),
            faults.middleware,
        ],
        client_max_size=2**22,
    )
    app.add_routes(_Api(service, storage).routes())
    return app


def _counting(service: Service, requests: Counter[str]) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        requests[f"{request.method} {route(request)}"] += 1
        try:
            response = await handler(request)
        except ConnectionError:
            # The client disconnected during its request; nobody reads this answer.
            response = web.Response(status=400)
        response.headers.setdefault("Date", service.clock.http_date())
        return response

    return count


def _authenticating(api_key: str | None) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        # These two stand for the service's storage, which needs no key.
        if request.path.startswith((UPLOAD_PATH, REDACTED_PATH)):
            return await handler(request)
        key = request.headers.get("Authorization", "")
        if not key or (api_key is not None and not hmac.compare_digest(key.encode(), api_key.encode())):
            return _error(401, "Authentication error, API token missing/invalid")
        return await handler(request)

    return authenticate


def _limiting(rate: Rate) -> Middleware:
    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        wait = rate.take(asyncio.get_running_loop().time()) if request.path.startswith("/v2/") else 0
        if wait:
            return _error(429, "Too Many Requests", {"Retry-After": str(wait)})
        return await handler(request)

    return limit


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return _error(400, str(refused))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _error(error.status, "Not found" if error.status in {404, 405} else error.reason)


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": text}, status=status, headers=headers)


class _Api:
    def __init__(self, service: Service, storage: Storage) -> None:
        self._service = service
        self._storage = storage

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/upload", self.upload),
            web.post("/v2/transcript", self.create),
            web.get("/v2/transcript", self.page),
            web.get("/v2/transcript/{id}", self.get),
            web.delete("/v2/transcript/{id}", self.delete),
            web.get("/v2/transcript/{id}/{form:srt|vtt}", self.subtitles),
            web.get("/v2/transcript/{id}/sentences", self.sentences),
            web.get("/v2/transcript/{id}/paragraphs", self.paragraphs),
            web.get("/v2/transcript/{id}/word-search", self.search),
            web.get("/v2/transcript/{id}/redacted-audio", self.redacted_audio),
            web.get(REDACTED_PATH + "{token}", self.redacted_file),
            web.get(UPLOAD_PATH + "{key:.*}", self.uploaded),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await request.content.readany():
                yield chunk

        try:
            key = await self._storage.save(chunks())
        except TooLarge:
            return _error(413, "Upload failed, the file is too large")
        # Measured at the service: https://cdn.assemblyai.com/upload/<hex>/<uuid>.
        return web.json_response({"upload_url": f"{request.url.origin()}{UPLOAD_PATH}{key}"})

    async def uploaded(self, _: web.Request) -> web.Response:
        # Only the service can read an upload; everyone else gets its storage's refusal.
        return web.Response(status=403, content_type="application/xml", text=ACCESS_DENIED)

    async def create(self, request: web.Request) -> web.Response:
        try:
            parameters = json.loads(await request.read())
        except ValueError as error:
            raise Refused("Invalid JSON in the request body") from error
        if not isinstance(parameters, dict):
            raise Refused("The request body must be a JSON object")
        check(parameters)
        return answer(self._service.create(parameters).document)

    async def get(self, request: web.Request) -> web.Response:
        return answer(self._service.find(request.match_info["id"]).document)

    async def delete(self, request: web.Request) -> web.Response:
        record = self._service.find(request.match_info["id"])
        self._service.delete(record)
        return answer(record.document)

    async def page(self, request: web.Request) -> web.Response:
        return raw_answer(listing.page(self._service, request))

    async def subtitles(self, request: web.Request) -> web.Response:
        width = request.query.get("chars_per_caption")
        if width is not None and (not width.isdecimal() or int(width) < 1):
            raise Refused("chars_per_caption must be an Integer above 0")
        words = self._completed(request)["words"]
        text = exports.subtitles(words, request.match_info["form"], None if width is None else int(width))
        return web.Response(text=text, content_type="text/plain")

    async def sentences(self, request: web.Request) -> web.Response:
        return self._passages(request, "sentences", exports.sentences)

    async def paragraphs(self, request: web.Request) -> web.Response:
        return self._passages(request, "paragraphs", exports.paragraphs)

    def _passages(
        self, request: web.Request, name: str, make: Callable[[exports.Words], list[dict[str, Any]]]
    ) -> web.Response:
        document = self._completed(request)
        shared = {key: document[key] for key in ("id", "confidence", "audio_duration")}
        return web.json_response(shared | {name: make(document["words"])})

    async def search(self, request: web.Request) -> web.Response:
        document = self._completed(request)
        phrases = [phrase for phrase in request.query.get("words", "").split(",") if phrase.strip()]
        if not phrases:
            raise Refused("words must be a comma separated list of words or phrases")
        matches = exports.search(document["words"], phrases)
        total = sum(match["count"] for match in matches)
        return web.json_response({"id": document["id"], "total_count": total, "matches": matches})

    async def redacted_audio(self, request: web.Request) -> web.Response:
        document = self._completed(request)
        if not document.get("redact_pii_audio") or not self._service.can_redact:
            raise Refused("Redacted audio is not available for this transcript")
        token = self._service.find(document["id"]).redacted
        if token is None:
            return web.json_response({"status": "redacted_audio_not_ready"}, status=202)
        url = f"{request.url.origin()}{REDACTED_PATH}{token}"
        return web.json_response({"status": "redacted_audio_ready", "redacted_audio_url": url})

    async def redacted_file(self, request: web.Request) -> web.Response:
        audio = self._service.redacted_audio(request.match_info["token"])
        # A presigned link carries its own permission; storage services refuse a second one in a header.
        if audio is None or "Authorization" in request.headers:
            return web.Response(status=403, content_type="application/xml", text=ACCESS_DENIED)
        return web.Response(body=audio, content_type="audio/wav")

    def _completed(self, request: web.Request) -> dict[str, Any]:
        document = self._service.find(request.match_info["id"]).document
        if document["status"] != "completed" or document["words"] is None:
            raise Refused("This transcript has not been completed yet, or it has been deleted")
        return document

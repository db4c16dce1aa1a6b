"""JSON of the answers. What many documents share is encoded once: a load test reads it thousands of times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web

HEADERS = {"Content-Type": "application/json; charset=utf-8"}
#: Encoded lists that are kept.
KEPT = 64


class Shared(list[Any]):
    """A list that nobody changes any more, so that many documents can hold it, and it can be a key."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


def encode(document: Mapping[str, Any]) -> bytes:
    """A document as JSON, as `json.dumps` writes it."""
    shared = [(name, value) for name, value in document.items() if type(value) is Shared]
    text = json.dumps({**document, **{name: None for name, _ in shared}} if shared else document)
    # From the last to the first, so that nothing is looked for in what was put in. Quotes within strings are escaped,
    # so this is found at keys only, and first at the document's own: what comes before in a transcript has no keys.
    for name, value in reversed(shared):
        text = text.replace(f'"{name}": null', f'"{name}": {_encoded(value)}', 1)
    return text.encode()


def answer(document: Mapping[str, Any]) -> web.Response:
    """A document as the answer to a request."""
    return raw_answer(encode(document))


def raw_answer(body: bytes) -> web.Response:
    """JSON that is encoded already as the answer to a request."""
    return web.Response(body=body, headers=HEADERS)


@lru_cache(KEPT)
def _encoded(value: Shared) -> str:
    return json.dumps(value)

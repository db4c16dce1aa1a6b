"""JSON of the answers. What many documents share is encoded once: a load test reads it thousands of times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Shared(list[Any]):
    """A list that nobody changes any more, so that many documents can hold it."""

    __slots__ = ("_encoded",)

    @property
    def encoded(self) -> str:
        """The list as JSON."""
        try:
            return self._encoded
        except AttributeError:
            self._encoded: str = json.dumps(self)
            return self._encoded


def encode(document: Mapping[str, Any]) -> bytes:
    """A document as JSON, as `json.dumps` writes it."""
    shared = [(name, value) for name, value in document.items() if type(value) is Shared]
    text = json.dumps({**document, **{name: None for name, _ in shared}} if shared else document)
    # From the last to the first, so that nothing is looked for in what was put in. Quotes within strings are escaped,
    # so this is found at keys only, and first at the document's own: what comes before in a transcript has no keys.
    for name, value in reversed(shared):
        text = text.replace(f'"{name}": null', f'"{name}": {value.encoded}', 1)
    return text.encode()


def answer(document: Mapping[str, Any]) -> web.Response:
    """A document as the answer to a request."""
    return raw_answer(encode(document))


def raw_answer(body: bytes) -> web.Response:
    """JSON that is encoded already as the answer to a request."""
    return web.Response(body=body, headers=HEADERS)

"""Encodes answers as JSON. Lists shared by documents are encoded once: a load test reads them thousands of times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Shared(list[Any]):
    """A list that no longer changes, so that many documents can share it."""

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
    # From last to first, so that inserted text is never searched. Quotes within strings are escaped, so this matches
    # only keys, and the document's own key first: nothing before it in a transcript has keys.
    for name, value in reversed(shared):
        text = text.replace(f'"{name}": null', f'"{name}": {value.encoded}', 1)
    return text.encode()


def answer(document: Mapping[str, Any]) -> web.Response:
    """A document as the answer to a request."""
    return raw_answer(encode(document))


def raw_answer(body: bytes) -> web.Response:
    """Encoded JSON as the answer to a request."""
    return web.Response(body=body, headers=HEADERS)

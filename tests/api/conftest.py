from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses

from asyncscribe.api.connection import Connection
from asyncscribe.api.transport import Transport
from asyncscribe.settings import Settings, Timeouts
from tests.support import KEY, RETRY

BASE = "https://api.test"


class _Response(aiohttp.ClientResponse):
    """What aioresponses 0.7.9 builds, made to fit aiohttp 3.14: it lacks the stream writer."""

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class Wire(aioresponses):
    """Scripted answers, built with the class above."""

    def add(self, url, *args, **kwargs) -> None:
        kwargs.setdefault("response_class", _Response)
        super().add(url, *args, **kwargs)

    def sent(self, method: str, path: str) -> list[dict]:
        """The keyword arguments of all requests to a path."""
        return [
            call.kwargs
            for (verb, url), calls in self.requests.items()
            if verb == method and url.path == path
            for call in calls
        ]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as mocked:
        yield mocked


@pytest.fixture
def settings() -> Settings:
    return Settings(api_key=KEY, base_url=BASE)


@pytest.fixture
async def connection(settings):
    async with Connection(settings) as opened:
        yield opened


@pytest.fixture
async def transport(settings):
    told = []
    async with Transport(settings, retry=RETRY, timeouts=Timeouts(), on_event=told.append, rng=lambda: 0.5) as opened:
        opened.told = told
        yield opened

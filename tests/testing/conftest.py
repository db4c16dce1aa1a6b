import pytest

from asyncscribe.testing import Server

URL = "https://recordings.test/2024/call-7.mp3?signature=abc"


@pytest.fixture
async def scripted(nothing_left):
    async with Server() as server:
        yield server


@pytest.fixture
async def quick(scripted):
    async with scripted.client() as client:
        yield client


async def text_of(client, source, **config):
    return (await client.transcribe(source, config)).text

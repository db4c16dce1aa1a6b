"""Whose account a journal is of."""

import pytest

from asyncscribe import AsyncClient, JournalError
from asyncscribe.batch import Batch
from asyncscribe.server import LocalServer, faults
from tests.support import POLLING

NOT_FOUND = faults.Answer(404, '{"error": "not found"}')


def with_key(server, key):
    return AsyncClient(key, server.base_url, polling=POLLING)


async def run(client, output, *sources, **options):
    async with Batch(client, output, **options) as batch:
        outcomes = [outcome async for outcome in batch.run([str(source) for source in sources])]
    return batch, outcomes


def paid(server):
    return server.requests["POST /v2/transcript"]


async def test_the_key_of_another_account_is_refused_and_changes_nothing(nothing_left, folder, tmp_path):
    output = tmp_path / "out"
    async with LocalServer(limit=2) as server:
        async with with_key(server, "one") as client:
            await run(client, output, folder)
        async with with_key(server, "another") as client:
            for _ in range(2):
                server.faults.script("GET", "/v2/transcript", *[NOT_FOUND] * 3)
                with pytest.raises(JournalError, match="another account"):
                    await run(client, output, folder, retry_failed=True)
        async with with_key(server, "one") as client:
            batch, outcomes = await run(client, output, folder)
    assert (outcomes, batch.skipped, batch.left, paid(server)) == ([], 5, 0, 5)


async def test_a_key_that_was_rotated_goes_on(nothing_left, folder, tmp_path):
    output = tmp_path / "out"
    async with LocalServer(limit=2) as server:
        async with with_key(server, "one") as client:
            await run(client, output, folder)
        # The newest transcript was deleted meanwhile, the others were not.
        server.faults.script("GET", "/v2/transcript", NOT_FOUND)
        async with with_key(server, "rotated") as client:
            batch, outcomes = await run(client, output, folder)
            assert (outcomes, batch.skipped) == ([], 5)
            before = sum(server.requests.values())
            await run(client, output, folder)
            assert sum(server.requests.values()) == before

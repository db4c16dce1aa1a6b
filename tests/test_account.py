import pytest

from asyncscribe import TranscriptStatus
from asyncscribe.account import AccountAccess
from asyncscribe.api.transcripts import Transcripts
from tests.support import POLLING, recording


async def test_get_gives_any_state(server, client):
    job = await client.submit(recording(seconds=100))
    assert (await client.get(job.id)).status is TranscriptStatus.PROCESSING
    assert (await client.get(job.id)).words == ()


async def test_it_needs_no_more_than_a_transport(server, client):
    ids = [(await client.transcribe(recording(str(n)))).id for n in range(3)]
    account = AccountAccess(Transcripts(client._parts.transport, POLLING))
    assert (await account.get(ids[0])).id == ids[0]
    assert [item.id async for item in account.list(page_size=2)] == ids[::-1]
    assert [transcript.id async for transcript in account.iter_transcripts()] == ids[::-1]
    assert " ".join(sentence.text for sentence in await account.sentences(ids[0])) == (await account.get(ids[0])).text


async def test_a_format_of_subtitles_that_there_is_not_costs_no_request(server, client):
    with pytest.raises(ValueError, match="ass"):
        await client.subtitles("unknown", "ass")
    assert not server.requests

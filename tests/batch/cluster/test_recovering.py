"""Who rebuilds a shared journal has each job first, and nobody else is at work."""

import pytest

from asyncscribe import JournalError, TranscriptionConfig
from asyncscribe.batch import Newcomer, Recording
from asyncscribe.batch.cluster import joined
from asyncscribe.batch.cluster.recovering import recovering
from asyncscribe.batch.recovery.recover import recover
from tests.batch.cluster.test_crew import run
from tests.batch.inputs.test_stores import bucket, s3  # noqa: F401 - fixtures

SERVICE = "https://service.test"


async def put(journal):
    await journal.bind(SERVICE, lasting=True)
    (entry,) = await journal.name([Newcomer("https://a.test/1", "https://a.test/1", "1.mp3")])
    known = entry.recording
    recording = Recording(known.identity, known.name, known.source, content="url:1")
    (job,) = await journal.assign([recording], "c")
    return recording, job


async def test_what_is_found_is_kept_without_a_claim_before(dsn):
    async with recovering(dsn, shared_files=True) as journal:
        recording, job = await put(journal)
        await journal.adopt(job.key, "id-1", "https://a.test/1")
        await journal.completed(job.key, {recording.identity: ["json"]}, 60.0, {})
        (entry,) = (await journal.entries([recording.identity])).values()
        assert entry.written
        assert entry.job.ids == ("id-1",)


async def test_what_can_not_be_told_apart_is_kept_as_failed(dsn):
    async with recovering(dsn, shared_files=True) as journal:
        recording, job = await put(journal)
        await journal.failed(job.key, "one of two", "ambiguous", {})
        (entry,) = (await journal.entries([recording.identity])).values()
        assert entry.reason == "one of two"


async def test_a_worker_that_is_at_work_is_in_the_way(dsn):
    async with joined(dsn, shared_files=True) as crew:
        _, job = await put(crew.journal)
        await crew.journal.claim_keys([job.key])
        async with recovering(dsn, shared_files=True) as journal:
            await journal.bind(SERVICE, lasting=True)
            with pytest.raises(JournalError, match="stop all workers"):
                await journal.adopt(job.key, "id-1", None)


async def test_from_the_documents_in_a_store_nothing_is_paid_again(
    postgres,
    prepared,
    server,
    client,
    folder,
    bucket,  # noqa: F811
):
    _, address = bucket
    output = f"{address}/text"
    async with joined(postgres.database(prepared), shared_files=True) as crew:
        outcomes, _ = await run(client, output, folder, crew)
        assert len(outcomes) == 5
    other = postgres.database(prepared)
    async with recovering(other, shared_files=True) as journal:
        done = await recover(client, journal, output, [str(folder)], TranscriptionConfig())
        assert (done.written, done.new) == (5, 0)
    async with joined(other, shared_files=True) as crew:
        outcomes, batch = await run(client, output, folder, crew)
        assert (outcomes, batch.skipped) == ([], 5)
    assert len(server.records) == 5

"""The database counts what `Summary` counts of any journal."""

from dataclasses import fields

from asyncscribe.batch import Newcomer, Recording
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.batch.report.summary import Summary

SERVICE = "https://service.test"


async def put(journal, number, content=None):
    newcomer = Newcomer(f"https://a.test/{number}", f"https://a.test/{number}", f"{number}.mp3")
    (entry,) = await journal.name([newcomer])
    known = entry.recording
    recording = Recording(known.identity, known.name, known.source, content=content or f"url:{number}")
    (job,) = await journal.assign([recording], "c")
    await journal.claim_keys([job.key])
    return recording, job


async def test_both_count_alike(dsn):
    async with PostgresJournal(dsn) as journal:
        await journal.bind(SERVICE, lasting=True)
        await journal.join("w", "here", 30.0)
        times = {"completed": 12.5, "ended": 12.0}
        done, job = await put(journal, 1)
        await journal.submitted(job.key, "id-1", {})
        await journal.submitted(job.key, "id-2", {})
        await journal.completed(job.key, {done.identity: ["json"]}, 60.0, times)
        await put(journal, 2, content="url:1")
        _, job = await put(journal, 3)
        await journal.failed(job.key, "no speech", "input", {})
        tried, _ = await put(journal, 4)
        await journal.problem(tried, "it is away")
        await journal.name([Newcomer("https://a.test/5", "https://a.test/5", "5.mp3")])
        (lonely,) = await journal.name([Newcomer("https://a.test/6", "https://a.test/6", "6.mp3")])
        await journal.problem(lonely.recording, "can't be read")
        counted = await journal.totals()
        summary = Summary()
        async for entry in journal.all():
            summary.take(entry)
    for one in fields(counted):
        assert getattr(counted, one.name) == getattr(summary, one.name), one.name
    assert counted.recordings == {"completed": 2, "failed": 1}
    assert (counted.pending, counted.problems) == (3, 2)
    assert (counted.submissions, counted.resubmissions, counted.detection_seconds) == (2, 1, 0.5)


async def test_of_nothing_there_is_nothing_to_count(dsn):
    async with PostgresJournal(dsn) as journal:
        counted = await journal.totals()
    assert not counted.recordings
    assert counted.audio_seconds == 0

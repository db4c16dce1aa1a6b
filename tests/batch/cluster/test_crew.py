"""Taking part in a shared batch, in one process."""

import ast
import asyncio
import contextlib
import io
import re
import time

import pytest

from asyncscribe import AsyncClient, Batch, ConfigurationError, SubmissionPolicy, TranscriptionConfig
from asyncscribe.batch import Journal, Newcomer, Recording
from asyncscribe.batch.claims import Alone, Claims
from asyncscribe.batch.cluster import joined
from asyncscribe.batch.inputs.identity import content_of_url, fingerprint, identity_of
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.errors import LeaseLost
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, faults
from tests.batch.cluster.test_failures import record
from tests.batch.inputs.test_stores import bucket, s3  # noqa: F401 - fixtures
from tests.support import KEY, ROOT, open_client, recording, transcripts


async def run(client, output, folder, crew, **options):
    async with Batch(client, output, journal=crew.journal, claims=crew, **options) as batch:
        return [outcome async for outcome in batch.run([str(folder)])], batch


async def test_what_one_has_done_is_done_for_all(dsn, server, client, folder, tmp_path):
    async with joined(dsn, name="one", shared_files=True) as crew:
        outcomes, _ = await run(client, tmp_path / "one", folder, crew)
        assert len(outcomes) == 5
    async with joined(dsn, name="two", shared_files=True) as crew:
        outcomes, batch = await run(client, tmp_path / "two", folder, crew)
        assert (outcomes, batch.skipped) == ([], 5)
    assert not (tmp_path / "two").exists()
    assert len(server.records) == 5


async def test_another_format_is_written_by_whoever_asks_for_it(dsn, server, client, folder, tmp_path):
    async with joined(dsn, shared_files=True) as crew:
        await run(client, tmp_path / "out", folder, crew)
    async with joined(dsn, shared_files=True) as crew:
        outcomes, _ = await run(client, tmp_path / "out", folder, crew, formats=["srt"])
    assert len(outcomes) == 5
    assert len(server.records) == 5
    assert sum(name.endswith(".srt") for name in transcripts(tmp_path / "out")) == 5


async def test_the_same_path_on_two_hosts_is_two_recordings(dsn, server, client, folder, tmp_path):
    """Each with a name of its own; what is the same in both is paid once."""
    for host in ("here", "there"):
        async with joined(dsn, host=host) as crew:
            await run(client, tmp_path / "out", folder, crew)
    assert len(server.records) == 5
    assert len(transcripts(tmp_path / "out")) == 10
    async with PostgresJournal(dsn, read_only=True, host="here") as journal:
        identities = [entry.recording.identity async for entry in journal.all()]
    assert sum(identity.startswith("file://there/") for identity in identities) == 5
    assert sum(identity.startswith("/") for identity in identities) == 5


async def test_without_its_lease_a_worker_submits_nothing(dsn, server, client, folder, tmp_path):
    async with joined(dsn, shared_files=True) as crew:
        crew.worker._held_until = 0.0
        outcomes, batch = await run(client, tmp_path / "out", folder, crew)
        assert all(isinstance(outcome.error, LeaseLost) for outcome in outcomes)
        assert batch.stopped
    assert not server.records


async def test_others_have_their_part_of_the_requests(dsn, server, folder, tmp_path, nothing_left):
    async with open_client(server) as client, joined(dsn, shared_files=True) as crew:
        crew.worker.alive = 4
        await run(client, tmp_path / "out", folder, crew)
        assert client.stats.transport.gate.allowed == 20_000 // 4


async def test_unknown_lengths_take_all_that_is_left_until_they_are_known(dsn, server, client, folder, tmp_path):
    async with joined(dsn, shared_files=True, allowed=3600, beat=0.1) as crew:
        outcomes, batch = await run(client, tmp_path / "out", folder, crew, max_hours=1)
        assert (len(outcomes), batch.exhausted) == (5, False)
        assert await crew.journal.allowance("all") == (3600.0, 5.0)


async def test_of_unknown_channels_nothing_is_submitted_under_a_shared_allowance(dsn, server, client, folder, tmp_path):
    """Each is paid for, and nothing bounds how many there are."""
    config = TranscriptionConfig(multichannel=True)
    async with joined(dsn, shared_files=True, allowed=3600) as crew:
        outcomes, batch = await run(client, tmp_path / "out", folder, crew, max_hours=1, config=config)
        assert (outcomes, batch.exhausted) == ([], True)
    assert not server.records


async def test_what_failed_is_tried_once_more_however_many_workers_try(dsn, server, client, tmp_path):
    failing = recording("a", error="Audio duration is too short.")
    async with joined(dsn) as crew:
        await run(client, tmp_path / "out", failing, crew)
    limited = {"allowed": 3600, "beat": 0.1}
    async with joined(dsn, name="one", **limited) as one, joined(dsn, name="two", **limited) as two:
        options = {"retry_failed": True, "max_hours": 1}
        outcomes, _ = await run(client, tmp_path / "out", failing, one, **options)
        assert len(outcomes) == 1
        outcomes, batch = await run(client, tmp_path / "out", failing, two, **options)
        assert (outcomes, batch.left) == ([], 1)
        assert await one.journal.allowance("all") == (3600.0, 0.0)
    assert len(server.records) == 2


async def test_a_submission_in_doubt_that_is_sent_again_counts(dsn, server, client, tmp_path):
    """Its worker died before the POST; nothing is found, and so it is submitted once more."""
    url = recording("b", duration=5)
    async with joined(dsn, name="old", allowed=60) as old:
        await old.journal.bind(server.base_url, lasting=True)
        await old.journal.name([Newcomer(identity_of(url), url, "b.mp3")])
        found = Recording(identity_of(url), "b.mp3", url, content=content_of_url(url))
        (job,) = await old.journal.assign([found], fingerprint(TranscriptionConfig()))
        await old.journal.claim_keys([job.key])
        await old.journal.submitting(job.key, url, time.time() - 3600, {}, run="all", seconds=60, is_bound=True)
    async with joined(dsn, name="new", allowed=60) as crew:
        (outcome,), _ = await run(client, tmp_path / "out", url, crew, max_hours=1)
        assert outcome.error is None
        assert await crew.journal.allowance("all") == (60.0, 5.0)
    assert len(server.records) == 1


async def test_who_has_no_allowance_gives_back_what_another_one_reserved(dsn, server, client, tmp_path):
    url = recording("e", duration=5)
    async with joined(dsn, name="old", allowed=60) as old:
        await old.journal.bind(server.base_url, lasting=True)
        await old.journal.name([Newcomer(identity_of(url), url, "e.mp3")])
        found = Recording(identity_of(url), "e.mp3", url, content=content_of_url(url))
        (job,) = await old.journal.assign([found], fingerprint(TranscriptionConfig()))
        await old.journal.claim_keys([job.key])
        await old.journal.submitting(job.key, url, time.time() - 3600, {}, run="all", seconds=60, is_bound=True)
    async with joined(dsn, name="new") as crew:
        assert len((await run(client, tmp_path / "out", url, crew))[0]) == 1
        assert (await crew.journal.allowance("all"))[1] <= 5.0


@pytest.mark.parametrize(("max_hours", "allowed"), [(1, None), (None, 3600)])
async def test_half_an_allowance_is_refused(dsn, server, client, folder, tmp_path, max_hours, allowed):
    async with joined(dsn, shared_files=True, allowed=allowed) as crew:
        with pytest.raises(ConfigurationError, match="`allowed`"):
            await run(client, tmp_path / "out", folder, crew, max_hours=max_hours)
    assert not server.records


def test_alone_and_together_a_batch_is_told_the_same():
    """Both are `Claims`; the batch knows no difference."""
    for name in ("others", "claim", "resume", "ledger", "admit", "settle", "pause", "begin_again", "pool"):
        assert hasattr(Claims, name)
        assert hasattr(Alone, name)
    assert Journal


async def test_the_block_of_the_page_runs(dsn, folder, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "cluster.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / "recordings")
    async with LocalServer(api_key=KEY) as server:
        monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
        monkeypatch.setenv("ASSEMBLYAI_BASE_URL", server.base_url)
        names = {"AsyncClient": AsyncClient, "DSN": dsn}
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            await eval(compile(block, "cluster.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert shown.getvalue().count("transcripts/") == 5


@pytest.mark.parametrize("options", [{}, {"name": "x", "lease": 5.0, "beat": 1.0}])
async def test_who_takes_part_is_seen(dsn, options):
    async with joined(dsn, **options) as crew:
        (member,) = await crew.journal.alive()
        assert member.id == crew.worker.id
        assert crew.others == 0


async def test_what_a_store_refuses_is_not_completed_and_comes_with_the_next_run(
    dsn,
    server,
    client,
    folder,
    bucket,  # noqa: F811
):
    store, address = bucket
    async with joined(dsn, shared_files=True) as crew:
        outcomes, _ = await run(client, "s3://there-is-no-such-bucket/text", folder, crew)
        assert all(isinstance(outcome.error, OSError) for outcome in outcomes)
        counted = await crew.journal.totals()
        assert "completed" not in counted.recordings
    async with joined(dsn, shared_files=True) as crew:
        outcomes, _ = await run(client, f"{address}/text", folder, crew)
        assert [outcome.error for outcome in outcomes] == [None] * 5
        counted = await crew.journal.totals()
        assert counted.recordings == {"completed": 5}
    kept = [found["path"] async for page in store.list() for found in page]
    assert len(kept) == len(server.records) == 5


async def test_two_configurations_of_one_url_are_two_jobs_and_no_adoption(dsn, server, client, tmp_path, nothing_left):
    """Two workers, the answers of both lost: each finds its own job."""
    url = recording("a", duration=3)
    quick = SubmissionPolicy(lookups=(0.05, 0.1), quiet=0.5)
    async with open_client(server, submission=quick) as one, open_client(server, submission=quick) as two:

        async def work(client, name, config):
            async with joined(dsn, name=name, shared_files=True) as crew:
                async with Batch(
                    client, tmp_path / name, journal=crew.journal, claims=crew, config=TranscriptionConfig(**config)
                ) as batch:
                    return [outcome async for outcome in batch.run([url])]

        server.faults.script("POST", "/v2/transcript", *[faults.Drop(faults.When.AFTER)] * 2)
        both = await asyncio.gather(work(one, "one", {"punctuate": False}), work(two, "two", {"punctuate": True}))
    transcripts_of = [outcome.transcript for outcomes in both for outcome in outcomes]
    assert len({transcript.id for transcript in transcripts_of}) == len(server.records) == 2
    assert [transcript.document["punctuate"] for transcript in transcripts_of] == [False, True]


async def test_two_that_can_do_no_more_do_not_wait_for_each_other(dsn, server, folder, tmp_path, nothing_left):
    """What one could not do is the other's, which tries it once: neither keeps what it does nothing about."""
    server.faults.plan(FaultPlan(0, [FaultRule("POST", "/v2/upload", 1, faults.Answer(403))]))

    async def work(name):
        async with open_client(server) as client:
            async with joined(dsn, name=name, shared_files=True, lease=3.0, beat=0.1) as crew:
                outcomes, _ = await run(client, tmp_path / name, folder, crew)
                return outcomes

    async with asyncio.timeout(20):
        both = await asyncio.gather(work("one"), work("two"))
    tried = [outcome.item.name for outcomes in both for outcome in outcomes]
    assert len(set(tried)) == 5
    assert max(tried.count(name) for name in tried) <= 2
    async with PostgresJournal(dsn, read_only=True) as journal:
        assert (await journal.totals()).recordings["completed"] == 0


async def test_two_under_one_allowance_that_is_spent_both_end(dsn, server, tmp_path, nothing_left):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        # Whole seconds are billed: what is reserved is what is taken.
        record(folder / f"{number}.wav", number, seconds=1)

    async def work(name):
        async with open_client(server) as client:
            async with joined(dsn, name=name, shared_files=True, lease=3.0, beat=0.1, allowed=2.5) as crew:
                return await run(client, tmp_path / name, folder, crew, max_hours=2.5 / 3600)

    async with asyncio.timeout(20):
        both = await asyncio.gather(work("one"), work("two"))
    assert [batch.exhausted for _, batch in both] == [True, True]
    assert sum(len(outcomes) for outcomes, _ in both) == len(server.records) == 2

"""What stands between a journal and its database: a standby that takes over, and a pooler of connections."""

import asyncio
import shutil
import subprocess
import time

import psycopg
import pytest

from asyncscribe import JournalError
from asyncscribe.batch.cluster import joined
from asyncscribe.batch.journal.postgres import PostgresJournal
from tests.batch.cluster.test_crew import run
from tests.batch.journal.test_postgres import QUICK, SERVICE, Process, put
from tests.batch.postgres import USER, programs
from tests.support import transcripts


@pytest.fixture
async def standby(fragile):
    """A copy of a server, with its own journal's database."""
    if not (programs() / "pg_basebackup").is_file():
        pytest.skip("pg_basebackup is missing: it comes with PostgreSQL's client programs")
    dsn = fragile.database()
    async with PostgresJournal(dsn) as journal:
        await journal.bind(SERVICE, lasting=True)
    copy = await asyncio.to_thread(fragile.copied)
    yield copy, dsn.split("dbname=")[1].split()[0]
    copy.remove()


async def test_a_standby_that_may_know_less_stops_everything(fragile, standby):
    """It lags: that a submission began is lost with the server that knew it."""
    copy, name = standby
    address = f"host={fragile.folder},{copy.folder} dbname={name} user=tests target_session_attrs=read-write"
    async with Process(address) as journal:
        (job,) = await put(journal, 1)
        await journal.claim(1)
        await journal.submitting(job.key, "u", 1.0, {})
        fragile.stop()
        await asyncio.to_thread(copy.start)
        with psycopg.connect(copy.dsn("postgres"), autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
        with pytest.raises(JournalError, match=r"a copy of it took its place .* recover"):
            await journal.submitted(job.key, "t-1", {})
    with pytest.raises(JournalError, match="a copy of it took its place"):
        await PostgresJournal(address).__aenter__()
    async with PostgresJournal(address, renew=True) as journal:
        # Neither the job nor that it was submitted has arrived there.
        assert [entry async for entry in journal.all()] == []


@pytest.fixture
def pooled(postgres, dsn):
    """The address of the same database through PgBouncer, which gives each transaction another session."""
    if (program := shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")) is None:
        pytest.skip("PgBouncer is not installed")
    folder, name = postgres.folder / "bouncer", dsn.split("dbname=")[1].split()[0]
    folder.mkdir()
    (folder / "users").write_text('"tests" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n{name} = host={postgres.folder} dbname={name}\n"
        f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\nlisten_addr =\nauth_type = trust\n"
        f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 3\n"
    )
    if USER is not None:
        shutil.chown(folder, USER)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, folder / "ini"], user=USER, cwd="/", stdout=log, stderr=log)
    address = f"host={folder} port=6432 dbname={name} user=tests"
    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(address).close()
            break
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError((folder / "log").read_text()) from None
            time.sleep(0.05)
    yield address
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


async def test_a_pooler_that_changes_sessions_is_no_matter(pooled, server, client, folder, tmp_path):
    """Steps are repeated more often than the driver waits for before it prepares a statement."""
    quick = {"shared_files": True, "beat": 0.2}
    async with joined(pooled, name="one", **quick) as one, joined(pooled, **quick) as two:
        assert len(await put(one.journal, 40, config="other")) == 40
        both = await asyncio.gather(*(run(client, tmp_path / "out", folder, crew) for crew in (one, two)))
        assert sum(len(outcomes) for outcomes, _ in both) == 5
        for _ in range(20):
            assert await one.worker.beat() == 2
        async with one.journal.lister("a") as first, two.journal.lister("a") as second:
            assert (first, second) == (True, False)
    assert len(server.records) == len(transcripts(tmp_path / "out")) == 5


async def test_statements_are_prepared_unless_a_pooler_is_in_between(pooled, dsn):
    for address, prepares in ((pooled, False), (dsn, True)):
        async with PostgresJournal(address, retries=QUICK) as journal:
            connection = await asyncio.to_thread(journal.connect)
            assert (connection.prepare_threshold is not None) is prepares
            connection.close()

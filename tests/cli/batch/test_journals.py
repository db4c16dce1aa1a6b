"""Which journal a command works with."""

import asyncio

import pytest

from asyncscribe.batch import Newcomer, SqliteJournal
from asyncscribe.batch.cluster.crew import EVERYBODY
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.cli.batch import journals
from asyncscribe.cli.batch.journals import Membership, journal_of, until_back
from asyncscribe.cli.exits import UserError
from asyncscribe.errors import JournalError
from tests.batch.conftest import dsn, empty, postgres, prepared  # noqa: F401 - fixtures
from tests.cli.test_commands import run

NEW = Newcomer("https://a.test/1.mp3", "https://a.test/1.mp3", "1.mp3")


def test_which_batch_has_to_be_said(monkeypatch):
    for command in ("status", "report", "export"):
        result = run("batch", command)
        assert "--journal" in result.output
        assert result.exit_code == 1 or result.exit_code == 2


async def names(folder, address):
    async with journal_of(folder, address) as journal:
        return [entry.recording.name async for entry in journal.all()]


async def test_the_one_in_the_folder_is_only_looked_at(tmp_path):
    async with SqliteJournal(tmp_path) as journal:
        await journal.name([NEW])
        assert await names(tmp_path, None) == ["1.mp3"]
    async with journal_of(tmp_path, None) as journal:
        with pytest.raises(JournalError):
            await journal.name([NEW])


async def test_a_database_that_is_named_comes_before_the_folder(tmp_path, dsn):  # noqa: F811
    async with PostgresJournal(dsn) as journal:
        await journal.name([NEW])
    assert await names(tmp_path, dsn) == ["1.mp3"]
    assert await names(None, dsn) == ["1.mp3"]


async def test_where_there_is_none_nothing_is_made(tmp_path):
    with pytest.raises(JournalError, match="there is no journal"):
        await names(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="which batch"):
        await names(None, None)


async def test_without_the_driver_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(journals, "find_spec", lambda name: None)
    for use in (lambda: names(None, "postgresql://x"), lambda: Membership("postgresql://x").join(None).__aenter__()):
        with pytest.raises(UserError, match="needs psycopg") as mistake:
            await use()
        assert "asyncscribe[postgres]" in mistake.value.hint


@pytest.mark.looptime
async def test_a_database_that_is_away_is_tried_for_again_and_not_for_ever(capsys):
    away = JournalError("db", "it is away")
    await until_back(away, begun=-journals.PATIENCE)
    assert capsys.readouterr().err.endswith("it is away; trying again\n")
    with pytest.raises(JournalError, match="it is away"):
        await until_back(away, begun=-journals.PATIENCE - 1)


async def test_who_joins_has_the_name_and_the_lease_that_were_given(dsn):  # noqa: F811
    async with Membership(dsn, name="anna", lease=60.0).join(3600.0) as crew:
        assert crew.others == 0
        async with PostgresJournal(dsn, read_only=True) as journal:
            (member,) = await journal.alive()
            assert await journal.allowance(EVERYBODY) == (3600.0, 0.0)
    assert member.name == "anna"
    assert 30 < member.expires <= 60


def test_the_address_of_the_database_is_in_no_repr():
    assert "sekret" not in repr(Membership("postgresql://somebody:sekret@db/batch"))


@pytest.mark.parametrize(
    "arguments", [["--part", "1/2"], ["--output", "table/", "--part", "3/2"], ["-O", "s3://b", "-f", "csv"]]
)
def test_parts_need_a_place_for_many_files(tmp_path, arguments):
    result = run("batch", "export", tmp_path, "--journal", "postgresql://nowhere.invalid/x", *arguments)
    assert result.exit_code == 2


async def keep(journal):
    async with journal:
        await journal.name([NEW])


def test_a_journal_of_a_folder_is_exported_to_one_file(tmp_path):
    asyncio.run(keep(SqliteJournal(tmp_path)))
    result = run("batch", "export", tmp_path, "--output", f"{tmp_path}/table/")
    assert result.exit_code == 2
    assert "--output" in result.stderr


def test_a_shared_journal_is_exported_in_parts(tmp_path, dsn):  # noqa: F811
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    asyncio.run(keep(PostgresJournal(dsn)))
    options = ["--journal", dsn, "--output", f"{tmp_path}/table/", "--part", "1/2"]
    result = run("batch", "export", tmp_path, *options)
    assert (result.exit_code, result.stderr) == (0, "1 recordings\n")
    assert [path.name for path in (tmp_path / "table").iterdir()] == ["pending.parquet"]

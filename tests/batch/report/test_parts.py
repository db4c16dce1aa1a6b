"""A table of many files, each of a range of jobs."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch import Newcomer, Recording
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.batch.report.exporting import in_folder, in_store
from asyncscribe.batch.report.parts import PENDING, Part, write_parts
from tests.batch.inputs.test_stores import bucket, s3  # noqa: F401 - fixtures

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
SERVICE = "https://service.test"


@pytest.fixture
async def journal(dsn):
    """Seven jobs, of which the first is done, and a recording that has none."""
    async with PostgresJournal(dsn) as opened:
        await opened.bind(SERVICE, lasting=True)
        await opened.join("w", "here", 30.0)
        newcomers = [Newcomer(f"https://a.test/{n}", f"https://a.test/{n}", f"{n}.mp3") for n in range(8)]
        named = [entry.recording for entry in await opened.name(newcomers)]
        found = [Recording(one.identity, one.name, one.source, content=f"url:{one.name}") for one in named[:7]]
        jobs = await opened.assign(found, "c")
        (claim,) = await opened.claim_keys([min(job.key for job in jobs)])
        await opened.completed(claim.job.key, {claim.entries[0].recording.identity: ["json"]}, 60.0, {})
        opened.done = claim.entries[0].recording.name
        yield opened


def names(folder):
    return {path.name: [row["name"] for row in parquet.read_table(path).to_pylist()] for path in folder.iterdir()}


async def test_each_range_of_keys_is_a_file_and_two_machines_write_all(journal, tmp_path):
    read = in_folder(tmp_path / "out")
    first = await write_parts(journal, read, str(tmp_path / "table"), Part(1, 2), keys=3)
    assert len(names(tmp_path / "table")) < 4
    second = await write_parts(journal, read, str(tmp_path / "table"), Part(2, 2), keys=3)
    written = names(tmp_path / "table")
    # Keys begin with 1.
    assert sorted(written) == [
        "jobs-000000000000-000000000002.parquet",
        "jobs-000000000003-000000000005.parquet",
        "jobs-000000000006-000000000008.parquet",
        PENDING,
    ]
    assert sorted(name for some in written.values() for name in some) == [f"{number}.mp3" for number in range(8)]
    assert written[PENDING] == ["7.mp3"]
    assert first + second == 8


async def test_a_part_that_is_written_again_replaces_its_files(journal, tmp_path):
    for _ in range(2):
        assert await write_parts(journal, in_folder(tmp_path), str(tmp_path / "table"), keys=3) == 8
    assert len(names(tmp_path / "table")) == 4


async def test_parts_go_from_a_store_to_a_store(journal, bucket, tmp_path):  # noqa: F811
    store, address = bucket
    await store.put_async(f"text/{journal.done}.json", b'{"text": "hello"}')
    assert await write_parts(journal, in_store(f"{address}/text"), f"{address}/table/") == 8
    listed = [found["path"] async for page in store.list() for found in page]
    assert sorted(listed) == [
        "table/jobs-000000000000-000000099999.parquet",
        f"table/{PENDING}",
        f"text/{journal.done}.json",
    ]
    answer = await store.get_async("table/jobs-000000000000-000000099999.parquet")
    (tmp_path / "part").write_bytes(bytes(await answer.bytes_async()))
    rows = parquet.read_table(tmp_path / "part").to_pylist()
    assert [(row["name"], row["text"]) for row in rows if row["text"]] == [(journal.done, "hello")]


async def test_a_store_that_refuses_is_an_error_of_its_own(journal, bucket, tmp_path):  # noqa: F811
    with pytest.raises(OSError, match=r"s3://there-is-no-such-bucket/table/jobs-.* can't be written"):
        await write_parts(journal, in_folder(tmp_path), "s3://there-is-no-such-bucket/table")


async def test_what_is_cut_off_leaves_no_file(journal, tmp_path):
    async def never(name):
        await asyncio.sleep(3600)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await write_parts(journal, never, str(tmp_path / "table"))
    assert list((tmp_path / "table").iterdir()) == []


@given(st.integers(1, 9), st.integers(0, 10**6))
def test_each_range_is_of_one_part(count, number):
    assert sum(Part(part, count).has(number) for part in range(1, count + 1)) == 1


@pytest.mark.parametrize(("number", "count"), [(0, 1), (2, 1), (-1, 4), (1, 0)])
def test_a_part_that_can_not_be_is_refused(number, count):
    with pytest.raises(ValueError, match="no part"):
        Part(number, count)

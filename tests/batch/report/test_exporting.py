"""All results of a batch in one table."""

import csv
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import ConfigurationError
from asyncscribe.batch import Entry, JobRecord, Recording, SavedState
from asyncscribe.batch.report import exporting
from asyncscribe.batch.report.exporting import (
    COLUMNS,
    TableFormat,
    in_folder,
    in_store,
    rows,
    write_lines,
    write_parquet,
)


def entry(name, step=None, *, written=True, problem=None, **more):
    job = JobRecord(7, "service", "content", "config", step, **more) if step else None
    files = {"json": 7} if written and step else {}
    return Entry(Recording(f"/in/{name}", name, f"in/{name}"), job, files, problem)


async def each(some):
    for one in some:
        yield one


async def table(folder, *entries):
    return [row async for row in rows(each(entries), in_folder(folder))]


async def test_no_cell_is_a_formula():
    async def table():
        yield {"name": "=1+1", "source": "@x", "status": "-x", "text": "+1", "submissions": -1, "audio_seconds": -0.5}

    file = io.StringIO()
    await write_lines(table(), TableFormat.CSV, file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["name"], row["source"], row["status"], row["text"]) == ("'=1+1", "'@x", "'-x", "'+1")
    assert row["audio_seconds"] == "-0.5"


async def test_a_row_has_what_is_known_and_the_newest_id(tmp_path):
    (tmp_path / "a.wav.json").write_text('{"text": "Grüße."}')
    done = entry("a.wav", SavedState.COMPLETED, ids=("t-1", "t-2"), audio_seconds=7.5)
    (row,) = await table(tmp_path, done)
    assert tuple(row) == COLUMNS
    assert row == {
        "name": "a.wav",
        "source": "in/a.wav",
        "status": "completed",
        "transcript_id": "t-2",
        "submissions": 2,
        "audio_seconds": 7.5,
        "reason": None,
        "text": "Grüße.",
    }


async def test_what_has_no_job_yet_is_a_row_too(tmp_path):
    (row,) = await table(tmp_path, entry("a.wav", problem="can't be read"))
    assert (row["status"], row["submissions"], row["reason"], row["text"]) == ("pending", 0, "can't be read", None)


async def test_a_text_of_an_earlier_job_is_nobodys(tmp_path):
    (tmp_path / "a.wav.json").write_text('{"text": "of another configuration"}')
    (row,) = await table(tmp_path, entry("a.wav", SavedState.SUBMITTED, written=False))
    assert row["text"] is None


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"json": '{"text": "json"}', "txt": "plain"}, "json"),
        ({"json": "{damaged", "txt": "plain\n"}, "plain"),
        ({"json": "[]", "text": "Speaker A: plain\n", "txt": "other"}, "Speaker A: plain"),
        ({"json": '{"text": 3}', "txt": "plain"}, None),
        ({"srt": "1\n00:00"}, None),
        ({}, None),
    ],
)
async def test_the_text_is_of_the_first_file_that_can_be_read(tmp_path, files, text):
    for form, content in files.items():
        (tmp_path / f"a.wav.{form}").write_text(content)
    (row,) = await table(tmp_path, entry("a.wav", SavedState.COMPLETED))
    assert row["text"] == text


async def test_a_file_that_is_no_text_or_a_folder_reads_as_nothing(tmp_path):
    read = in_folder(tmp_path)
    (tmp_path / "a.json").write_bytes(b"\xff")
    (tmp_path / "b.json").mkdir()
    assert [await read(name) for name in ("a.json", "b.json", "c.json", "d\0.json")] == [None] * 4


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3))
async def test_every_text_is_one_row_of_either_format(texts):
    def some():
        return each([{**dict.fromkeys(COLUMNS), "name": "a", "text": text} for text in texts])

    lines, cells = io.StringIO(), io.StringIO(newline="")
    assert await write_lines(some(), TableFormat.JSONL, lines) == len(texts)
    assert [json.loads(line)["text"] for line in lines.getvalue().split("\n")[:-1]] == texts
    assert await write_lines(some(), TableFormat.CSV, cells) == len(texts)
    read = [row["text"] for row in csv.DictReader(io.StringIO(cells.getvalue(), newline=""))]
    assert [text.removeprefix("'") for text in read] == [text.removeprefix("'") for text in texts]


async def test_an_empty_table_has_a_header():
    file = io.StringIO()
    assert await write_lines(each([]), TableFormat.CSV, file) == 0
    assert file.getvalue() == ",".join(COLUMNS) + "\n"


async def test_parquet_is_written_in_parts_and_keeps_numbers_and_what_is_missing(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(exporting, "ROWS", 2)
    some = [{**dict.fromkeys(COLUMNS), "name": str(n), "submissions": n, "audio_seconds": n / 2} for n in range(5)]
    assert await write_parquet(each(some), tmp_path / "a.parquet") == 5
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == some


async def test_without_their_packages_the_extras_are_named(tmp_path, monkeypatch):
    for name in ("pyarrow", "obstore"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"asyncscribe\[parquet\]"):
        await write_parquet(each([]), tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match=r"asyncscribe\[stores\]"):
        in_store("s3://bucket")
    assert list(tmp_path.iterdir()) == []

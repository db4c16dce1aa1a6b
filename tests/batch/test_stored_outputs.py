"""Transcripts as objects of a store: a real S3 server on loopback."""

import json
import sys

import pytest

from asyncscribe import ConfigurationError, Transcript
from asyncscribe.batch import Format
from asyncscribe.batch.stored_outputs import StoreOutputs
from tests.batch.inputs.test_stores import bucket, put, s3  # noqa: F401 - fixtures

TRANSCRIPT = Transcript.model_validate({"id": "t", "status": "completed", "text": "Grüße."})


async def test_each_format_is_an_object_below_the_prefix(bucket):  # noqa: F811
    store, address = bucket
    outputs = StoreOutputs(f"{address}/texts/", [Format.JSON, "txt", Format.JSON])
    written = await outputs.write("sub/ä b.mp3", TRANSCRIPT)
    assert written == [f"{address}/texts/sub/ä b.mp3.json", f"{address}/texts/sub/ä b.mp3.txt"]
    assert [outputs.path("sub/ä b.mp3", form) for form in outputs.formats] == written
    kept = [found["path"] async for page in store.list() for found in page]
    assert sorted(kept) == ["texts/sub/ä b.mp3.json", "texts/sub/ä b.mp3.txt"]


async def test_what_was_written_is_read_again(bucket):  # noqa: F811
    _, address = bucket
    outputs = StoreOutputs(address, [Format.JSON])
    await outputs.write("a.mp3", TRANSCRIPT)
    assert json.loads(await outputs.read("a.mp3.json"))["text"] == "Grüße."


async def test_what_is_missing_or_no_text_reads_as_nothing(bucket):  # noqa: F811
    store, address = bucket
    await put(store, **{"texts/a.mp3.json": b"\xff\xfe"})
    outputs = StoreOutputs(f"{address}/texts", [Format.JSON])
    assert await outputs.read("a.mp3.json") is None
    assert await outputs.read("b.mp3.json") is None


async def test_an_object_that_can_not_be_written_is_an_error_that_names_it_and_no_more(bucket):  # noqa: F811
    outputs = StoreOutputs("s3://there-is-no-such-bucket/texts", [Format.JSON])
    with pytest.raises(OSError, match=r"s3://there-is-no-such-bucket/texts/a\.mp3\.json can't be written") as failure:
        await outputs.write("a.mp3", TRANSCRIPT)
    assert "AKIDEXAMPLE" not in str(failure.value)
    assert len(str(failure.value).splitlines()) == 1
    assert failure.value.__cause__ is None


def test_the_journal_says_what_is_there(bucket):  # noqa: F811
    _, address = bucket
    outputs = StoreOutputs(address, [Format.JSON])
    assert outputs.present("a.mp3") == frozenset()
    assert outputs.present("a.mp3", {"json": 1}, every=True) == {"json"}


@pytest.mark.parametrize("address", ["s3://", "gs:///texts"])
def test_an_address_without_a_bucket_is_refused(address):
    with pytest.raises(ConfigurationError, match="names no bucket"):
        StoreOutputs(address, [Format.JSON])


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationError, match=r"asyncscribe\[stores\]"):
        StoreOutputs("s3://bucket", [Format.JSON])

"""Which documents of the service's are in an output."""

import json
from datetime import UTC, datetime

import pytest

from asyncscribe import ConfigurationError
from asyncscribe.batch.recovery.documents import documents_in
from tests.batch.inputs.test_stores import bucket, put, s3  # noqa: F401 - fixtures

CONTENTS = {
    "a.wav.json": json.dumps({"id": "t-1", "audio_duration": 7, "text": "hello"}),
    "in/b.wav.json": json.dumps({"id": "t-2", "audio_duration": None}),
    "c.wav.json": "{",
    "d.wav.json": "[]",
    "e.wav.json": json.dumps({"id": 5}),
    "f.wav.srt": "1",
}


def known(documents):
    return {name: (document.id, document.seconds) for name, document in documents.items()}


FOUND = {"a.wav": ("t-1", 7), "in/b.wav": ("t-2", None)}


async def test_a_folder_is_read_whatever_else_is_in_it(tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "g.wav.json").write_bytes(b"\xff")
    documents = await documents_in(tmp_path)
    assert known(documents) == FOUND
    assert documents["a.wav"].written.timestamp() == pytest.approx((tmp_path / "a.wav.json").stat().st_mtime)


async def test_so_is_a_store(bucket):  # noqa: F811
    store, address = bucket
    begun = datetime.now(UTC)
    await put(store, **{f"text/{name}": content.encode() for name, content in CONTENTS.items()})
    await put(store, **{f"text/many/{number}.json": b'{"id": "t"}' for number in range(70)})
    await put(store, **{"other/h.wav.json": CONTENTS["a.wav.json"].encode()})
    documents = await documents_in(f"{address}/text/")
    assert len(documents) == 72
    assert known({name: one for name, one in documents.items() if "many" not in name}) == FOUND
    # Its clock shows whole seconds: what was written before must not seem to be newer.
    assert documents["a.wav"].written >= begun


async def test_a_store_that_can_not_be_listed_is_an_error(bucket):  # noqa: F811
    with pytest.raises(OSError, match=r"s3://there-is-no-such-bucket/text can't be listed"):
        await documents_in("s3://there-is-no-such-bucket/text")
    with pytest.raises(ConfigurationError, match="names no bucket"):
        await documents_in("s3://")

"""What makes two recordings the same, and two configurations."""

import asyncio
import hashlib
import os
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import TranscriptionConfig
from asyncscribe.batch.inputs.identity import (
    CHUNK_BYTES,
    FileStamp,
    content_of_file,
    content_of_item,
    content_of_url,
    fingerprint,
    identity_of,
    stamp_of,
)
from asyncscribe.sources import SignedOnDemand

SIGNATURES = ["Signature", "sig", "X-Amz-Signature", "X-Goog-Signature"]
values = st.text("aü&=?/+ ", max_size=5)
names = st.text("abcdefgh", min_size=1, max_size=4).filter(lambda name: name not in {"se", "sp", "sv", "sr", "st"})
queries = st.lists(st.tuples(names, values), max_size=4)


@given(queries, st.sampled_from(SIGNATURES), values, values)
def test_an_address_is_the_same_however_it_is_signed(query, signature, one, other):
    contents = {
        content_of_url(f"https://a.test/x.mp3?{urlencode([*query, ('Expires', when), (signature, when)])}")
        for when in (one, other)
    }
    assert len(contents) == 1


@given(queries, queries, st.sampled_from(SIGNATURES))
def test_what_does_not_sign_tells_signed_addresses_apart(one, other, signature):
    contents = {
        content_of_url(f"https://a.test/x.mp3?{urlencode([*query, (signature, 'x')])}") for query in (one, other)
    }
    assert (len(contents) == 1) == (one == other)


@given(st.text())
def test_any_text_has_an_identity_that_can_be_written(text):
    assert content_of_url(text).encode()
    assert identity_of(f"://{text}").encode()


def test_what_is_called_like_a_signature_s_parameter_counts_where_nothing_is_signed():
    one, other = (content_of_url(f"https://a.test/x?policy={number}&expires=3") for number in (1, 2))
    assert one != other


@pytest.mark.parametrize("url", ["https://[sig/a.mp3", "https://a.test/\udcffsig.mp3"])
def test_an_address_that_is_none_has_an_identity_all_the_same(url):
    assert content_of_url(url).startswith("url:https://")


async def test_a_file_is_its_content(tmp_path):
    content = os.urandom(CHUNK_BYTES + 7)
    for name in ("a.wav", "b.mp3"):
        (tmp_path / name).write_bytes(content)
    expected = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert await content_of_file(tmp_path / "a.wav") == await content_of_file(tmp_path / "b.mp3") == expected
    with pytest.raises(FileNotFoundError):
        await content_of_file(tmp_path / "none.wav")


async def test_nothing_more_is_read_for_who_waits_no_more(tmp_path):
    path = tmp_path / "endless"
    os.mkfifo(path)
    task = asyncio.create_task(content_of_file(path))
    # Opening it returns once there is a reader, so the hash is under way then.
    writer = await asyncio.to_thread(path.open, "wb", buffering=0)
    with writer:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # It is still being written; the thread ends with the next bytes and not with the last.
        writer.write(b"x")
        await asyncio.get_running_loop().shutdown_default_executor()


def test_only_a_file_with_something_in_it_has_a_stamp(tmp_path):
    path = tmp_path / "a.wav"
    assert stamp_of(path) is None
    path.touch()
    assert stamp_of(path) is None
    path.write_bytes(b"abc")
    os.utime(path, ns=(5, 7))
    assert stamp_of(path) == FileStamp(3, 7)
    assert stamp_of(tmp_path) is None
    assert stamp_of(tmp_path / "a\0b") is None
    assert stamp_of(tmp_path / ("x" * 300)) is None


def test_a_path_is_known_absolutely_and_by_its_link(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"abc")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert identity_of("a.wav") == identity_of("./sub/../a.wav") == str(tmp_path / "a.wav")
    assert identity_of(tmp_path / "link.wav") == str(tmp_path / "link.wav")


def test_an_object_is_known_by_its_name_and_told_apart_by_its_version():
    async def sign():
        return "https://signed.test/"

    stored = SignedOnDemand("s3://bucket/a.mp3", sign)
    assert identity_of(stored) == "s3://bucket/a.mp3"
    assert content_of_item(stored, "s3://bucket/a.mp3#etag") == "s3://bucket/a.mp3#etag"
    assert content_of_item(stored, None) == "url:s3://bucket/a.mp3"


def test_a_fingerprint_tells_configurations_apart_and_nothing_of_what_is_in_them():
    one = TranscriptionConfig(keyterms_prompt=["Dashwood"], punctuate=False)
    assert fingerprint(one) == fingerprint(TranscriptionConfig(punctuate=False, keyterms_prompt=("Dashwood",)))
    assert fingerprint(one) != fingerprint(one.with_(punctuate=True))
    assert "Dashwood" not in fingerprint(one)

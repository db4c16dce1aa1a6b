import io

import pytest

from asyncscribe import SourceError, bodies
from asyncscribe.sources import Url, name_of, resolve


def _folder(path):
    path.mkdir()


def _empty(path):
    path.touch()


@pytest.mark.parametrize(
    ("make", "problem"), [(lambda path: None, "no such file"), (_folder, "is a folder"), (_empty, "is empty")]
)
async def test_a_path_that_can_not_be_transcribed_says_why(tmp_path, make, problem):
    path = tmp_path / "x.wav"
    make(path)
    with pytest.raises(SourceError, match=problem) as raised:
        await resolve(path)
    assert raised.value.source == str(path)


async def test_an_unreadable_file_says_so(tmp_path, monkeypatch):
    path = tmp_path / "x.wav"
    path.write_bytes(b"x")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(bodies.aiofiles, "open", refuse)
    with pytest.raises(SourceError, match="permission denied"):
        await resolve(path)


async def test_a_device_is_refused():
    with pytest.raises(SourceError, match="not a regular file"):
        await resolve("/dev/null")


async def test_a_name_with_a_null_byte_is_refused():
    with pytest.raises(SourceError, match="can't be read"):
        await resolve("a\0b.wav")


@pytest.mark.parametrize("given", [b"", bytearray(), io.BytesIO()])
async def test_nothing_is_refused(given):
    with pytest.raises(SourceError, match="nothing"):
        await resolve(given)


async def test_a_file_open_for_text_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"abc")
    with path.open("r", encoding="latin-1") as file, pytest.raises(SourceError, match="mode 'rb'"):
        await resolve(file)
    with pytest.raises(SourceError, match="closed"):
        await resolve(file)


@pytest.mark.parametrize("given", [3, None, object()])
async def test_other_things_are_refused(given):
    with pytest.raises(SourceError, match="can't be transcribed"):
        await resolve(given)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.test/b.mp3?X-Amz-Signature=s3cret#t", "https://a.test/b.mp3"),
        ("HTTP://user:pw@a.test/b.mp3", "HTTP://a.test/b.mp3"),
    ],
)
async def test_a_url_is_passed_whole_and_named_without_its_secrets(url, name):
    assert await resolve(url) == Url(url, name)
    assert name_of(url) == name


@pytest.mark.parametrize(
    ("url", "problem"), [("s3://bucket/key", "not s3"), ("http://[::1", "no host"), ("http://", "no host")]
)
async def test_a_url_that_the_service_can_not_fetch_is_refused(url, problem):
    with pytest.raises(SourceError, match=problem):
        await resolve(url)


def test_names_that_are_not_utf8_can_be_printed():
    assert name_of(b"caf\xe9.wav".decode("utf-8", "surrogateescape")).encode("utf-8")
    assert name_of(b"123") == "<3 bytes>"
    assert name_of(object()) == "<object>"

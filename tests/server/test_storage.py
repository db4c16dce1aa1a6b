"""Uploads in a temporary folder, bounded in size."""

import asyncio

import pytest

from asyncscribe.server.storage import WRITE_BYTES, Storage, TooLarge


async def pieces(*some):
    for piece in some:
        yield piece


@pytest.fixture
def storage():
    opened = Storage(largest_upload=2 * WRITE_BYTES + 10, largest_total=2 * WRITE_BYTES + 20)
    opened.open()
    yield opened
    opened.close()


async def test_what_is_stored_is_there_whole_under_its_key(storage):
    content = [b"a" * WRITE_BYTES, b"b" * (WRITE_BYTES - 1), b"", b"c" * 9]
    key = await storage.save(pieces(*content))
    assert storage.use(key).read_bytes() == b"".join(content)


async def test_two_of_the_same_have_keys_that_nobody_guesses(storage):
    one, other = [await storage.save(pieces(b"x")) for _ in range(2)]
    assert one != other
    assert [len(key) for key in (one, other)] == [69, 69]


async def test_one_byte_too_many_keeps_nothing(storage):
    await storage.save(pieces(b"x" * 10), limit=10)
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        await storage.save(pieces(b"x" * 10, b"y"), limit=10)
    assert len(list(storage.folder.iterdir())) == 1


@pytest.mark.parametrize("error", [ConnectionError, asyncio.CancelledError])
async def test_an_upload_that_breaks_keeps_nothing(storage, error):
    async def broken():
        yield b"x" * (WRITE_BYTES + 1)
        raise error

    with pytest.raises(error):
        await storage.save(broken())
    assert list(storage.folder.iterdir()) == []


async def test_the_oldest_makes_room_unless_a_job_needs_it():
    storage = Storage(largest_total=25)
    storage.open()
    needed, oldest, newer = [await storage.save(pieces(b"x" * 8)) for _ in range(3)]
    assert storage.use(needed)
    newest = await storage.save(pieces(b"x" * 8))
    assert storage.use(oldest) is None
    assert storage.use(newer)
    assert storage.use(newest)
    # There is too much, and all of it is needed: what is given back first goes first.
    await storage.save(pieces(b"x" * 2))
    storage.release(needed)
    assert len(list(storage.folder.iterdir())) == 3
    storage.close()


async def test_what_is_not_there_can_be_released_and_removed(storage):
    storage.release("nothing")
    storage.remove("nothing")
    assert storage.use("nothing") is None
    key = await storage.save(pieces(b"x"))
    storage.remove(key)
    storage.remove(key)
    assert storage.use(key) is None


async def test_closed_it_leaves_nothing_and_says_so():
    storage = Storage()
    storage.close()
    storage.open()
    folder = storage.folder
    key = await storage.save(pieces(b"x"))
    storage.close()
    assert not folder.exists()
    assert storage.use(key) is None
    with pytest.raises(RuntimeError, match="not open"):
        _ = storage.folder

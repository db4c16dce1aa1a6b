import json
from datetime import UTC, datetime

import pytest
from hypothesis import given

from asyncscribe import errors
from asyncscribe.api import protocol
from asyncscribe.api.pages import page_of
from asyncscribe.models.pages import ListItem
from tests.models.test_transcript import json_values

LIST = protocol.list_transcripts()


def page(items, **details):
    document = {"transcripts": items}
    if details:
        document["page_details"] = details
    return page_of(json.dumps(document).encode())


def item(name, **fields):
    return {"id": name, "status": "completed", "audio_url": "u", **fields}


def test_items_are_read_in_both_spellings_of_time():
    second, first = (
        entry.item()
        for entry in page(
            [
                item("2", created="2026-11-02T21:49:25.586965", error=""),
                item("1", status="error", created="2026-11-02T21:49:25Z", error="bad"),
            ]
        ).items
    )
    assert second == ListItem("2", "completed", "u", datetime(2026, 11, 2, 21, 49, 25, 586965, tzinfo=UTC))
    assert first.created == datetime(2026, 11, 2, 21, 49, 25, tzinfo=UTC)
    assert first.error == "bad"


@pytest.mark.parametrize("created", [None, "yesterday", 7, [], "9999-12-31T23:59:59.999999-23:00"])
def test_an_unreadable_time_is_none(created):
    assert page([item("1", created=created)]).items[0].item().created is None


@pytest.mark.parametrize("odd", [{"status": None}, {"id": 7}, {"id": None}, {"status": 3}])
def test_an_item_that_can_not_be_read_is_skipped_and_not_the_page(odd):
    """E1: one item with `"status": null` made every page unreadable."""
    read = page([item("1"), {**item("2"), **odd}, "not an item", None, item("3")], prev_url=None)
    assert [entry.id for entry in read.items] == ["1", "3"]
    assert read.older is None


@pytest.mark.parametrize("odd", [{"audio_url": 3, "created": 7, "completed": [], "error": {"a": 1}}])
def test_odd_values_of_other_fields_do_no_harm(odd):
    (read,) = page([{**item("1"), **odd}]).items
    assert isinstance(read.item().audio_url, str)


@pytest.mark.parametrize(
    ("details", "older"),
    [
        ({"prev_url": None}, None),
        ({"prev_url": ""}, None),
        ({"prev_url": "https://api.test/v2/transcript?limit=2&before_id=7"}, "7"),
        ({"prev_url": "https://elsewhere.test/?before_id=7"}, "7"),
        ({"prev_url": "https://api.test/v2/transcript"}, "1"),
        ({"prev_url": "http://[::1"}, "1"),
        ({"prev_url": 3}, None),
        ({}, "1"),
    ],
)
def test_the_services_own_word_says_whether_older_items_follow(details, older):
    """E9: the length of a page says nothing, and no address of an answer is ever followed."""
    assert page([item("2"), item("1")], **details).older == older


def test_details_that_are_no_object_say_nothing():
    assert page_of(b'{"transcripts": [{"id": "1", "status": "queued"}], "page_details": 7}').older == "1"
    assert page_of(b'{"transcripts": [], "page_details": 7}').older is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"message": "ok"}', b'{"transcripts": null}', b'{"transcripts": {}}', b"<html>"]
)
def test_an_answer_without_a_list_is_an_error_and_never_an_empty_list(body):
    with pytest.raises(errors.UnreadableAnswer, match="no list of transcripts"):
        LIST.read(LIST, body)


@given(json_values)
def test_no_page_is_too_odd(value):
    read = page_of(json.dumps({"transcripts": value, "page_details": value}).encode())
    assert read is None or all(isinstance(entry.item(), ListItem) for entry in read.items)

r"""Half a character in an answer, as a text has it that was cut in the middle of an emoji."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.api import protocol
from asyncscribe.api.surrogates import repaired
from asyncscribe.batch.outputs import Format, render
from asyncscribe.models.transcript import TranscriptId

GET = protocol.get_transcript(TranscriptId("abc"))
HALF = (
    rb'{"id": "abc", "status": "completed", "text": "so \ud83d", "words": [{"text": "\ud83d", "start": 1, "end": 2}]}'
)


def test_a_paid_transcript_is_not_lost_for_half_a_character():
    transcript = GET.read(GET, HALF)
    assert transcript.text == "so ?"
    assert transcript.words[0].text == "?"
    assert "so ?" in render(transcript, Format.JSON)


def test_nor_is_the_id_of_a_new_job_or_a_page_of_the_list():
    created = protocol.create_transcript("https://a.test/b.mp3", protocol.TranscriptionConfig())
    assert created.read(created, rb'{"id": "abc", "prompt": "\udc00", "status": "queued"}').id == "abc"
    listing = protocol.list_transcripts()
    page = listing.read(listing, rb'{"transcripts": [{"id": "a", "status": "error", "error": "\ud800"}]}')
    assert [item.id for item in page.items] == ["a"]


@pytest.mark.parametrize("body", [b"", b"[", b'{"a": "b"}', rb'{"a": "\\ud83d', b"\xff"])
def test_what_needs_no_repair_is_left_alone(body):
    assert repaired(body) is None


@given(st.dictionaries(st.text(max_size=3), st.text(st.characters(), max_size=5), max_size=3))
def test_whole_characters_stay_what_they_are(document):
    body = json.dumps(document).encode()
    again = repaired(body)
    assert again is None or json.loads(again) == document

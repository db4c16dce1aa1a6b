"""What the service tells a webhook."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.models.notifications import RedactedAudioReady, TranscriptEnded, parse_notification


@given(
    st.binary(max_size=60) | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_no_body_is_too_odd(content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        parse_notification(body)
    except ValueError:
        return
    raise AssertionError("nothing of this is a notification")


@pytest.mark.parametrize("status", ["completed", "error"])
def test_the_end_of_a_transcript_is_told_with_its_id(status):
    body = json.dumps({"transcript_id": "t-1", "status": status, "new": {"field": 1}}).encode()
    assert parse_notification(body) == TranscriptEnded("t-1", status)


def test_redacted_audio_is_told_by_its_address_alone():
    body = b'{"status": "redacted_audio_ready", "redacted_audio_url": "https://a.test/x"}'
    assert parse_notification(body) == RedactedAudioReady("https://a.test/x")


@pytest.mark.parametrize(
    "content",
    [
        {"status": "completed"},
        {"status": "completed", "transcript_id": ""},
        {"status": "completed", "transcript_id": 7},
        {"status": "processing", "transcript_id": "t-1"},
        {"status": ["completed"], "transcript_id": "t-1"},
        {"status": "redacted_audio_ready", "redacted_audio_url": ""},
        {"status": "redacted_audio_ready", "transcript_id": "t-1"},
        {"redacted_audio_url": "https://a.test/x"},
        [{"transcript_id": "t-1", "status": "completed"}],
    ],
)
def test_what_is_neither_is_refused(content):
    with pytest.raises(ValueError, match="neither a transcript"):
        parse_notification(json.dumps(content).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000])
def test_what_can_not_be_read_is_a_value_error_and_no_crash(body):
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        parse_notification(body)

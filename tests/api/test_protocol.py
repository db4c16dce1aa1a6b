from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import errors
from asyncscribe.api import protocol
from asyncscribe.api.protocol import Request
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import TranscriptId

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GET = Request("GET", "/v2/transcript/x", protocol.read_document)


def error(status, body=b'{"error": "text"}', **headers):
    return protocol.api_error(GET, status, {k.replace("_", "-"): v for k, v in headers.items()}, body, now=NOW)


def test_only_the_submission_is_not_safe_to_repeat():
    config = TranscriptionConfig(speaker_labels=True)
    submission = protocol.create_transcript("https://a.test/b.mp3", config)
    assert not submission.safe
    assert submission.json == {"audio_url": "https://a.test/b.mp3", "speaker_labels": True}
    others = [protocol.upload(), protocol.get_transcript(TranscriptId("a-1")), protocol.list_transcripts()]
    assert all(request.safe for request in others)


@pytest.mark.parametrize("wrong", ["", "a/b", "../account", "a?b", "a b", "é"])
def test_an_id_that_would_lead_elsewhere_is_refused(wrong):
    with pytest.raises(errors.ConfigurationError, match="not a transcript id"):
        protocol.get_transcript(TranscriptId(wrong))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, errors.BadRequest),
        (400, errors.BadRequest),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (408, errors.ServerError),
        (413, errors.BadRequest),
        (422, errors.UploadRejected),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.ServerError),
        (504, errors.ServerError),
        (599, errors.ServerError),
    ],
)
def test_each_status_has_its_error(status, kind):
    assert type(error(status)) is kind
    assert error(status).status == status


def test_a_400_that_means_not_found_reads_as_such():
    assert type(error(400, b'{"error": "Transcript lookup error, transcript id not found"}')) is errors.NotFound


def test_a_negative_balance_concerns_the_whole_account():
    body = b'{"error": "Your current account balance is negative. Please top up to continue using the API."}'
    assert isinstance(error(400, body), errors.AccountError)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "format_text must be a Boolean"}', "format_text must be a Boolean"),
        (b"<html><h1>Bad  Gateway</h1></html>", "<html><h1>Bad Gateway</h1></html>"),
        (b"", "(no text)"),
        (b'{"message": "else"}', '{"message": "else"}'),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_any_body_gives_a_message(body, shown):
    assert error(500, body).message == shown


def test_a_long_page_is_cut():
    assert len(error(502, b"x" * 100_000).message) <= protocol.LONGEST_MESSAGE + 1


@given(st.integers(300, 599), st.binary(max_size=200), st.text(max_size=30))
def test_no_answer_breaks_the_reading_of_errors(status, body, header):
    assert isinstance(protocol.api_error(GET, status, {"Retry-After": header}, body, now=NOW), errors.APIError)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Fri, 20 Nov 2026 12:00:20 GMT", 20.0),
        ("Fri, 20 Nov 2026 12:00:20 -0000", 20.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(value, seconds):
    assert protocol.retry_after(value, NOW) == seconds


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": "1"', b"[1]", b"null", b"\xff"])
def test_an_answer_that_is_no_json_object_is_unreadable(body):
    with pytest.raises(errors.UnreadableAnswer, match=r"GET /v2/transcript/x"):
        protocol.read_document(GET, body)


def test_the_services_clock_is_read_from_its_date():
    assert protocol.http_date("Fri, 20 Nov 2026 12:00:00 GMT") == NOW
    assert protocol.http_date(None) is None
    assert protocol.http_date("yesterday") is None


def test_the_secret_of_a_webhook_is_shown_by_no_repr():
    config = TranscriptionConfig().with_webhook(
        "https://a.test/hook", header_name="X-Hook", header_value="s3cret-value"
    )
    request = protocol.create_transcript("https://a.test/b.mp3", config)
    assert request.json["webhook_auth_header_value"] == "s3cret-value"
    assert "s3cret" not in repr(request)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": ""}', b'{"id": 3}', b'{"id": null}', b"<html>"])
def test_the_answer_to_a_submission_needs_an_id(body):
    request = protocol.create_transcript("https://a.test/b.mp3", TranscriptionConfig())
    with pytest.raises(errors.UnreadableAnswer, match="no id"):
        request.read(request, body)


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(body):
    transcript_id = TranscriptId("x")
    for request in [
        protocol.upload(),
        protocol.create_transcript("u", TranscriptionConfig()),
        protocol.get_transcript(transcript_id),
        protocol.list_transcripts(),
        protocol.derived(transcript_id, "sentences"),
        protocol.subtitles(transcript_id, "srt"),
    ]:
        try:
            request.read(request, body)
        except errors.UnreadableAnswer as error:
            assert request.method in str(error)  # noqa: PT017 - either is fine


def test_json_that_is_nested_too_deep_is_unreadable():
    deep = b"[" * 200_000
    for request in [protocol.list_transcripts(), protocol.get_transcript(TranscriptId("x")), protocol.upload()]:
        with pytest.raises(errors.UnreadableAnswer):
            request.read(request, deep)
    assert error(500, deep).message.startswith("[[[")

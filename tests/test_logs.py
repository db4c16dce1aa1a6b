"""L11: what the log tells, and what its lines carry."""

import logging

import pytest

from asyncscribe import SubmissionPolicy, TranscriptionRequest
from asyncscribe.logs import log
from asyncscribe.server import faults
from tests.support import KEY, open_client, recording


def about(caplog, **labels):
    return [
        record
        for record in caplog.records
        if all(getattr(record, name) == value for name, value in labels.items()) and record.name == "asyncscribe"
    ]


@pytest.mark.looptime
async def test_a_resubmission_is_logged_with_its_job(server, nothing_left, caplog):
    caplog.set_level(logging.INFO, "asyncscribe")
    async with open_client(server) as client:
        request = TranscriptionRequest(recording(server_errors=1), metadata={"order": 7})
        transcript = await client.transcribe(request)
    (line,) = [record for record in about(caplog, job=1) if "submitted again" in record.message]
    assert line.metadata == {"order": 7}
    assert line.source == "http://recordings.test/a.mp3"
    assert line.transcript_id == server.records[0].id != transcript.id
    assert "?" not in line.message


@pytest.mark.looptime
async def test_a_doubt_is_logged_with_its_job(server, nothing_left, caplog):
    async with open_client(server, submission=SubmissionPolicy(lookups=(1, 3), quiet=5)) as client:
        await client.transcribe(recording("first"))
        server.faults.script("POST", "/v2/transcript", faults.Drop(when=faults.When.AFTER))
        await client.transcribe(TranscriptionRequest(recording("second"), metadata="mine"))
    (line,) = [record for record in caplog.records if "looking whether the job exists" in record.message]
    assert (line.job, line.metadata) == (2, "mine")


async def test_debug_tells_each_request_with_its_time(server, client, caplog):
    caplog.set_level(logging.DEBUG, "asyncscribe")
    await client.transcribe(TranscriptionRequest(b"abc", metadata="x"))
    lines = [record for record in caplog.records if record.message.endswith(" ms")]
    told = {record.message.partition(":")[0]: record for record in lines}
    assert {"POST /v2/upload", "POST /v2/transcript"} <= set(told)
    assert all(record.levelno == logging.DEBUG for record in lines)
    assert told["POST /v2/upload"].job == 1
    assert KEY not in caplog.text
    server.faults.script("GET", "/v2/transcript/", faults.Answer(500))
    await client.get(server.records[0].id)
    assert any("500" in record.message and "ms" in record.message for record in caplog.records)


async def test_a_line_about_no_job_has_the_same_attributes(server, client, caplog, monkeypatch):
    """A formatter that names them must not fail."""
    log.warning("about nothing")
    (line,) = about(caplog, job=None)
    assert (line.source, line.transcript_id, line.metadata) == (None, None, None)
    naming = logging.Formatter("%(job)s %(transcript_id)s %(metadata)s %(source)s %(message)s")
    monkeypatch.setattr(caplog.handler, "formatter", naming)
    caplog.set_level(logging.DEBUG, "asyncscribe")
    await client.transcribe(recording())
    assert all(caplog.handler.format(record) for record in caplog.records if record.name == "asyncscribe")

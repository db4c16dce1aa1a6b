import inspect
import pickle
import re
from pathlib import PurePath

import pytest

from asyncscribe import Transcript, errors


def classes():
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_everything_is_below_one_class():
    assert all(issubclass(kind, errors.AsyncscribeError) for kind in classes())


def test_the_drawn_tree_is_the_tree():
    drawn = set(re.findall(r"\+- (\w+)", errors.__doc__)) | {"AsyncscribeError"}
    assert drawn == {kind.__name__ for kind in classes()}


def test_every_class_says_when_it_is_raised():
    assert all(kind.__doc__ for kind in classes())


def test_a_wait_that_ended_names_the_job_that_goes_on():
    error = errors.WaitTimeout("too slow", "t-1")
    assert error.transcript_id == "t-1"
    assert "client.wait('t-1')" in str(error)
    assert isinstance(error, TimeoutError)
    assert "nothing was submitted" in str(errors.WaitTimeout("too slow", None))


def test_a_failed_transcription_carries_what_is_needed():
    transcript = Transcript.model_validate({"id": "t-1", "status": "error", "error": "Server error"})
    error = errors.TranscriptionFailed(transcript, errors.FailureCategory.SERVER, 3)
    assert error.transcript is transcript
    assert str(error) == "Server error (server; transcript t-1 failed after 3 submissions)"
    assert error.reason == "Server error"


def test_a_missing_key_says_how_to_set_one():
    assert "ASSEMBLYAI_API_KEY" in str(errors.MissingApiKey())
    assert pickle.dumps(errors.MissingApiKey())


def every_error() -> list[errors.AsyncscribeError]:
    """One of each class, made as the library makes it."""
    transcript = Transcript.model_validate_json('{"id": "t-1", "status": "error", "error": "bad", "words": [{"a": 1}]}')
    path = PurePath("out/.asyncscribe.sqlite3")
    made = [
        errors.MissingApiKey(),
        errors.NotOpen(),
        errors.SourceError("a.mp3", "is empty"),
        errors.JournalError(path, "full"),
        errors.JournalLost(path, PurePath("out/a.json")),
        errors.JournalBusy(path, "process 1"),
        errors.JournalCorrupt(path, "zeros"),
        errors.LeaseLost("postgresql://db.test/calls", "job 1 is not its own any more"),
        errors.AllowanceSpent("run 1", 60.0),
        errors.RateLimited("GET /v2/transcript", 429, "slow", 7.0),
        errors.ServerError("GET /v2/transcript", 503, "down", None),
        errors.SubmissionInDoubt("https://a.test/b.mp3?sig=1", "reset"),
        errors.WaitTimeout("too slow", "t-1"),
        errors.WaitInterrupted("closed", None, "nothing runs"),
        errors.WaitRefused(errors.NotFound("GET /v2/transcript/t-1", 404, "Not found"), "t-1"),
        errors.TranscriptionFailed(transcript, errors.FailureCategory.INPUT, 2),
    ]
    for kind in vars(errors).values():
        if not inspect.isclass(kind) or not issubclass(kind, errors.AsyncscribeError):
            continue
        if kind not in {type(error) for error in made}:
            parameters = inspect.signature(kind.__init__).parameters
            arguments = {"request": "GET /v2/transcript", "status": 400, "problem": "p", "message": "m"}
            arguments["transcript_id"] = "t-1"
            values = [arguments[name] for name in parameters if name in arguments] or ["text"]
            made.append(kind(*values))
    return made


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_crosses_processes_whole(error):
    """E20: none with a constructor of its own could be unpickled, so process pools and task queues lost them."""
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    attributes, copied = vars(error).copy(), vars(copy).copy()
    for values in (attributes, copied):
        if "transcript" in values and hasattr(values["transcript"], "document"):
            values["transcript"] = dict(values["transcript"].document)
        values.pop("refusal", None)
    assert copied == attributes
    assert copy.__notes__ == ["a note"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_no_error_shows_a_signature(error):
    assert "sig=1" not in str(error) + repr(error)


def test_what_the_service_says_of_a_signed_url_is_masked():
    """E18: "Download error to https://...Signature=..." went to stderr, status, tables and reports as it was."""
    text = "Download error, unable to download https://b.test/a.mp3?X-Amz-Signature=sekret&x=1. Please check it."
    transcript = Transcript.model_validate({"id": "t-1", "status": "error", "error": text})
    error = errors.TranscriptionFailed(transcript, errors.FailureCategory.INPUT, 1)
    assert "sekret" not in str(error) + error.reason
    assert "https://b.test/a.mp3?***. Please check it." in error.reason
    assert error.transcript.error == text

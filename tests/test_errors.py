import inspect
import pickle
import re

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
    assert str(error) == "transcript t-1 failed after 3 submissions (server): Server error"


def test_a_missing_key_says_how_to_set_one():
    assert "ASSEMBLYAI_API_KEY" in str(errors.MissingApiKey())
    assert pickle.dumps(errors.MissingApiKey())

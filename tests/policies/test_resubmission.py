import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.errors import FailureCategory
from asyncscribe.policies.resubmission import FailureRule, ResubmissionPolicy

SERVER, INPUT, UNCLEAR = FailureCategory.SERVER, FailureCategory.INPUT, FailureCategory.UNCLEAR
POLICY = ResubmissionPolicy()


def half() -> float:
    return 0.5


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Internal server error. Please retry your request. If the error persists, please contact ...", SERVER),
        ("Server error, developers have been alerted.", SERVER),
        ("server error, developers have been alerted", SERVER),
        ("Download error, unable to download https://x/y. Please make sure the file exists ...", UNCLEAR),
        ("Download error, unable to access file at https://x/y", UNCLEAR),
        ("Download error to https://x/y, 403 Client Error: Forbidden for url: https://x/y", INPUT),
        ("Download error to https://x/y, 503 Server Error: Unavailable for url: https://x/y", UNCLEAR),
        ("File does not appear to contain audio. File type is text/plain (ASCII text).", INPUT),
        ("Transcoding failed. File does not appear to contain audio. File type is ...", INPUT),
        ("Transcoding failed", INPUT),
        ("Audio duration is too short.", INPUT),
        ("language_detection cannot be performed on files with no spoken audio.", INPUT),
        ("detected language 'bg', confidence 0.29, is below the requested confidence threshold value of '0.4'", INPUT),
        ("Audio speech threshold 0.9461 is below the requested speech threshold value 1.0", INPUT),
        ("Something that nobody has ever seen", UNCLEAR),
        ("", UNCLEAR),
        (None, UNCLEAR),
    ],
)
def test_the_services_texts_are_sorted(text, category):
    assert POLICY.category(text) is category


def test_a_failure_of_the_service_is_resubmitted_up_to_its_limit():
    decisions = [POLICY.decide("Server error", submissions, half) for submissions in (1, 2, 3, 4)]
    assert [decision is not None for decision in decisions] == [True, True, True, False]
    assert decisions[0].delay < decisions[1].delay < decisions[2].delay


def test_a_wrong_input_is_never_resubmitted():
    assert POLICY.decide("Transcoding failed", 1, half) is None


def test_an_unknown_text_is_resubmitted_once():
    assert POLICY.decide("???", 1, half) is not None
    assert POLICY.decide("???", 2, half) is None


@given(st.integers(0, 10), st.integers(1, 20))
def test_a_limit_can_be_told(limit, submissions):
    again = ResubmissionPolicy.at_most(limit).decide("Server error", submissions, half)
    assert (again is not None) == (submissions <= limit)


def test_the_table_can_be_replaced():
    policy = ResubmissionPolicy(rules=[FailureRule("the cat", SERVER)])
    assert policy.category("The cat sat on the disk") is SERVER
    assert policy.category("Transcoding failed") is UNCLEAR


@given(st.text())
def test_no_text_is_too_odd(text):
    assert POLICY.category(text) in FailureCategory

"""Words and utterances, read quickly where they are what was promised, and tolerantly where they are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import Transcript, Word
from asyncscribe.models.words import Utterance, parse_utterances, parse_words, utterances_of, words_of
from tests.models.test_transcript import json_values


@given(st.lists(json_values, max_size=4) | json_values)
def test_no_words_are_too_odd(value):
    assert all(isinstance(word, Word) for word in parse_words(value))
    assert all(isinstance(word.start, int) and isinstance(word.text, str) for word in parse_words(value))


def test_words_are_read_alike_on_both_ways():
    raw = [
        {"text": "a", "start": 1, "end": 2, "confidence": 0.5, "speaker": "A"},
        {"text": "b", "start": 3, "end": 4, "confidence": 1},
    ]
    expected = (Word("a", 1, 2, 0.5, "A"), Word("b", 3, 4, 1.0))
    assert parse_words(raw) == expected
    assert parse_words([*raw, {"text": "c"}])[:2] == expected


ODD = [
    [{"text": "a", "start": 1.0, "end": "2", "confidence": None}],
    [{"text": "a", "start": 10**40, "end": 2, "confidence": 1, "speaker": 3}],
    [None, {"text": 7}],
    {"text": "a"},
    "words",
    [{"text": "a", "start": 1, "end": 2, "confidence": 0.5, "words": [], "channel": "1"}],
]


@pytest.mark.parametrize("value", ODD)
def test_words_are_the_same_from_bytes_and_from_a_document(value):
    document = {"id": "t", "status": "completed", "words": value, "utterances": value}
    parsed, raw = Transcript.model_validate(document), Transcript.model_validate_json(json.dumps(document))
    assert parsed.words == raw.words
    assert parsed.utterances == raw.utterances
    assert [word.text for word in raw.words] == [utterance.text for utterance in raw.utterances]


def test_numbers_that_are_none_in_json_do_not_make_a_transcript_unreadable():
    body = b'{"id": "t", "status": "completed", "confidence": NaN, "words": [{"text": "a", "confidence": Infinity}]}'
    transcript = Transcript.model_validate_json(body)
    assert transcript.words == (Word("a", 0, 0, 0.0),)


words = st.fixed_dictionaries(
    {
        "text": st.text('aü"\\ ', max_size=4),
        "start": st.integers(0, 10**9),
        "end": st.integers(0, 10**9),
        "confidence": st.floats(0, 1),
    },
    optional={"speaker": st.none() | st.text("AB", max_size=2), "channel": st.none() | st.text("12", max_size=1)},
)
spoken = st.tuples(words, st.lists(words, max_size=3)).map(lambda both: {**both[0], "words": both[1]})


@given(st.lists(words, max_size=4), st.lists(spoken, max_size=3))
def test_the_quick_way_and_the_tolerant_one_read_the_same(some, utterances):
    body = json.dumps({"words": some, "utterances": utterances, "other": [1]}).encode()
    assert words_of(body) == parse_words(some) == parse_words([*some, None])
    assert utterances_of(body) == parse_utterances(utterances) == parse_utterances([*utterances, None])


@given(
    st.binary(max_size=40) | json_values.map(lambda value: json.dumps({"words": value, "utterances": value}).encode())
)
def test_the_quick_way_reads_words_or_says_that_it_can_not(body):
    for read, kind in ((words_of, Word), (utterances_of, Utterance)):
        found = read(body)
        assert found is None or all(isinstance(one, kind) for one in found)


@pytest.mark.parametrize("body", [b"{}", b'{"words": null, "utterances": null}', b'{"words": [], "utterances": []}'])
def test_none_and_missing_are_no_words(body):
    assert words_of(body) == utterances_of(body) == ()


@given(json_values)
def test_no_utterances_are_too_odd(value):
    for utterance in parse_utterances(value):
        assert isinstance(utterance, Utterance)
        assert all(isinstance(word, Word) for word in utterance.words)
        assert utterance.translated_texts is None or all(map(str, utterance.translated_texts.values()))

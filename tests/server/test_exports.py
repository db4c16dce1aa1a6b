"""Views of a completed transcript, and that they lose no word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.server import exports


def word(text, start, end=None, **more):
    return {"text": text, "start": start, "end": start + 100 if end is None else end, "confidence": 0.5, **more}


@st.composite
def spoken(draw):
    now, said = 0, []
    for text in draw(st.lists(st.sampled_from(["a", "b.", "c?", "longer", "d's!"]), max_size=30)):
        now += draw(st.sampled_from([0, 10, 699, 700, 2_000, 9_000]))
        said.append(word(text, now, now + 50, speaker=draw(st.sampled_from(["A", "B", None]))))
        now += 50
    return said


@given(spoken())
def test_no_passage_loses_or_repeats_a_word(said):
    for view in (exports.sentences, exports.paragraphs, exports.utterances):
        passages = view(said)
        assert [one for passage in passages for one in passage["words"]] == said
        assert all(passage["start"] <= passage["end"] for passage in passages)
        assert " ".join(passage["text"] for passage in passages).split() == [one["text"] for one in said]


@given(spoken(), st.integers(1, 60))
def test_a_caption_is_as_wide_as_allowed_or_one_word(said, width):
    blocks = exports.subtitles(said, "srt", width).split("\n\n")
    lines = [block.split("\n")[2] for block in blocks if block]
    assert " ".join(lines).split() == [one["text"] for one in said]
    assert all(len(line) <= width or " " not in line for line in lines)


@given(spoken())
def test_a_paragraph_has_a_few_sentences(said):
    sentences = exports.sentences(said)
    begins = {passage["words"][0]["start"] for passage in exports.paragraphs(said)}
    assert begins <= {passage["start"] for passage in sentences}
    assert len(begins) * exports.PARAGRAPH_SENTENCES >= len(sentences)


def test_times_are_written_as_players_expect_them():
    said = [word("late", 3_600_000 + 61_007, 3_600_000 + 62_500)]
    assert exports.subtitles(said, "srt", None) == "1\n01:01:01,007 --> 01:01:02,500\nlate\n"
    assert exports.subtitles(said, "vtt", None) == "WEBVTT\n\n01:01:01.007 --> 01:01:02.500\nlate\n"
    assert exports.subtitles([], "srt", None) == ""


@pytest.mark.parametrize(
    ("phrase", "indexes"), [("hello", [0, 3]), ("Hello there", [0]), ("THERE!", [1]), ("nobody", None), ("", None)]
)
def test_a_phrase_is_found_wherever_it_is_said(phrase, indexes):
    said = [word(text, 100 * n) for n, text in enumerate(["Hello,", "there.", "No.", "hello"])]
    found = exports.search(said, [phrase])
    assert [match["indexes"] for match in found] == ([] if indexes is None else [indexes])
    assert all(match["count"] == len(match["timestamps"]) for match in found)


def test_each_speaker_has_sentences_of_their_own():
    said = [word("no", 0, speaker="A"), word("stop", 110, speaker="B"), word("here", 220, speaker="B")]
    assert [(one["speaker"], one["text"]) for one in exports.sentences(said)] == [("A", "no"), ("B", "stop here")]

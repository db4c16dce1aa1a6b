import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import subtitles

TIME = r"(\d{2,}):(\d{2}):(\d{2})[,.](\d{3})"


@dataclass
class W:
    text: str
    start: int = 0
    end: int = 0


words = st.lists(st.builds(W, st.text(max_size=30), st.integers(-1000, 10**8), st.integers(-1000, 10**8)), max_size=40)


def times(line):
    start, end = re.findall(TIME, line)
    return [((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms) for h, m, s, ms in (start, end)]


def test_srt_as_players_expect_it():
    text = subtitles.to_srt([W("Hello", 100, 400), W("there.", 420, 800), W("Bye.", 3_700_000, 3_700_500)])
    assert text == ("1\n00:00:00,100 --> 00:00:00,800\nHello there.\n\n2\n01:01:40,000 --> 01:01:40,500\nBye.\n")


def test_vtt_escapes_what_would_be_markup():
    text = subtitles.to_vtt([W("<b>&", 0, 500), W("-->", 500, 900)])
    assert text == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\n&lt;b&gt;&amp; --&gt;\n"


def test_no_words_are_no_captions():
    assert subtitles.to_srt([]) == ""
    assert subtitles.to_vtt([]) == "WEBVTT\n"


@given(words, st.integers(1, 100))
def test_captions_are_in_order_and_never_overlap(spoken, width):
    single = {" ".join(word.text.split()) for word in spoken}
    before = 0
    for caption in subtitles.captions(spoken, chars_per_caption=width):
        assert before <= caption.start < caption.end
        assert caption.text == " ".join(caption.text.split()) != ""
        assert len(caption.text) <= width or caption.text in single
        before = caption.end


@given(words)
def test_no_word_is_lost(spoken):
    shown = " ".join(caption.text for caption in subtitles.captions(spoken))
    assert shown.split() == " ".join(word.text for word in spoken).split()


@given(words)
def test_every_block_of_srt_is_a_number_a_time_and_a_line(spoken):
    text = subtitles.to_srt(spoken)
    blocks = [block for block in text.split("\n\n") if block]
    for number, block in enumerate(blocks, 1):
        first, second, third = block.rstrip("\n").split("\n")
        assert first == str(number)
        assert re.fullmatch(f"{TIME} --> {TIME}", second)
        assert third


@given(words)
def test_vtt_has_no_markup_of_the_speakers(spoken):
    for block in subtitles.to_vtt(spoken).split("\n\n")[1:]:
        line, text = block.rstrip("\n").split("\n")
        start, end = times(line)
        assert start < end
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)


def test_a_long_pause_and_a_long_caption_end_a_caption():
    paused = list(subtitles.captions([W("a", 0, 100), W("b", 2_000, 2_100)]))
    assert len(paused) == 2
    long = list(subtitles.captions([W("a", n * 1_000, n * 1_000 + 900) for n in range(10)]))
    assert all(caption.end - caption.start <= subtitles.LONGEST_CAPTION_MS for caption in long)


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        subtitles.to_srt([], chars_per_caption=0)


def test_utterances_without_a_speaker_stand_alone():
    @dataclass
    class U:
        text: str
        speaker: str | None

    assert subtitles.to_speaker_text([U("Hi.", "A"), U("Hm.", None)]) == "Speaker A: Hi.\nHm."

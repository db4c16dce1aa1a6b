from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch.inputs.naming import LONGEST_PART, as_text, fold, safe, variants


@given(st.text())
def test_whatever_it_is_the_name_can_be_written_below_a_folder(text):
    name = safe(text.replace("\0", ""))
    parts = name.split("/")
    assert parts
    assert not {"", ".", ".."} & set(parts)
    # The longest suffix of a format, and a number.
    assert all(len(f"{part}~99999.json".encode()) <= LONGEST_PART for part in parts)
    assert safe(name) == name


def test_usual_names_stay_as_they_are():
    for name in ("a.wav", "sub/deep/c.FLAC", "Straße/日本語.ogg", "with space.wav", "C.wav"):
        assert safe(name) == name


def test_names_that_are_too_long_stay_apart_and_keep_their_suffix():
    one, other = safe("ü" * 300 + "1.wav"), safe("ü" * 300 + "2.wav")
    assert one != other
    assert one.endswith(".wav")
    assert other.endswith(".wav")


@pytest.mark.parametrize(("one", "other"), [("A.wav", "a.WAV"), ("caf\u00e9", "cafe\u0301"), ("straße", "STRASSE")])
def test_what_some_file_systems_take_for_one_is_one(one, other):
    assert fold(one) == fold(other)


def test_variants_are_readable():
    assert list(islice(variants("sub/a.wav"), 2)) == ["sub/a~2.wav", "sub/a~3.wav"]


def test_what_is_no_text_is_escaped_and_told_apart():
    one, other = as_text("caf\udce9.wav"), as_text("caf\udce8.wav")
    assert one.encode() != other.encode()
    assert one.endswith(".wav")

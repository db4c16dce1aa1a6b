"""How long recordings are, told without decoding them."""

import importlib.util
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch.inputs.probing import Length, can_probe, length_of, seconds_of
from tests.support import EXAMPLES


def audio(path, channels):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * channels * 12_000))
    return path


@given(st.floats(0, 1e6), st.integers(1, 32))
def test_a_channel_is_paid_for_only_where_each_is_transcribed(seconds, channels):
    length = Length(seconds, channels)
    assert length.billed(each_channel=True) == seconds * channels
    assert length.billed(each_channel=False) == length.billed(each_channel=None) == seconds


@pytest.mark.parametrize("channels", [1, 2, 6])
async def test_length_and_channels_are_read_from_the_file(tmp_path, channels):
    length = await length_of(audio(tmp_path / "a.wav", channels))
    assert (length.seconds, length.channels) == (pytest.approx(1.5), channels)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "audio").rglob("*.*")), ids=lambda path: path.suffix)
async def test_every_format_of_the_examples_has_a_length(path):
    assert 1.5 < await seconds_of(path) < 5


@pytest.mark.parametrize("content", [b"", b"Not a recording.", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\0" * 4096, b"ID3\4"])
async def test_what_is_no_recording_has_no_length(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert await length_of(path) is None
    assert await seconds_of(path) is None


async def test_what_is_missing_or_a_folder_has_no_length(tmp_path):
    assert await length_of(tmp_path / "none.wav") is None
    assert await length_of(tmp_path) is None


async def test_a_name_that_is_no_text_can_be_probed_or_not_but_breaks_nothing(tmp_path):
    path = audio(tmp_path / "plain.wav", 1).rename(tmp_path / "caf\udce9.wav")
    assert await seconds_of(path) in (None, pytest.approx(1.5))


async def test_without_its_package_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("asyncscribe.batch.inputs.probing.find_spec", lambda name: None)
    assert not can_probe()
    assert await length_of(audio(tmp_path / "a.wav", 1)) is None
    assert importlib.util.find_spec("av")

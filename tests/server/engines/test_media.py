"""Any audio or video file becomes 16 kHz, 16 bit, mono samples."""

import wave

import av
import pytest

from asyncscribe.server.engines import media
from asyncscribe.server.engines.base import EngineError
from tests.server.engines.test_pocketsphinx import files, wav  # noqa: F401 - a fixture
from tests.support import EXAMPLES


@pytest.mark.parametrize("path", sorted((EXAMPLES / "audio").rglob("*.*")), ids=lambda path: path.suffix)
def test_every_format_becomes_16_khz_mono(path):
    seconds = sum(map(len, media.samples(path))) / 32_000
    assert 1.5 < seconds < 5


def test_other_rates_are_resampled_and_a_part_can_be_cut_out(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(2, rate=44_100))
    assert sum(map(len, media.samples(path))) == pytest.approx(64_000, abs=640)
    assert sum(map(len, media.samples(path, 500, 1_500))) == pytest.approx(32_000, abs=640)
    assert sum(map(len, media.samples(path, 1_500))) == pytest.approx(16_000, abs=640)


def test_what_can_not_be_decoded_is_left_out_if_anything_else_can_be(tmp_path):
    whole = (EXAMPLES / "audio" / "weather.mp3").read_bytes()
    (tmp_path / "whole.mp3").write_bytes(whole)
    (tmp_path / "longer.mp3").write_bytes(whole + b"\0")
    samples = sum(map(len, media.samples(tmp_path / "whole.mp3")))
    assert sum(map(len, media.samples(tmp_path / "longer.mp3"))) == pytest.approx(samples, rel=0.05)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("picture.mp4", "does not appear to contain audio"),
        ("text.mp3", r"text/plain \(ASCII text\)"),
        ("page.wav", r"text/html \(HTML document\)"),
        ("error.wav", r"application/json"),
        ("bits.wav", r"application/octet-stream \(data\)"),
        ("picture.png", "does not appear to contain audio"),
    ],
)
def test_what_has_no_audio_fails_in_the_services_words(files, name, text):  # noqa: F811
    with pytest.raises(EngineError, match=text):
        list(media.samples(files / name))


def test_versions_of_pyav_with_and_without_an_option_for_tags_work(monkeypatch):
    opened, really_open = [], av.open

    def newer(name):
        opened.append(name)
        return really_open(name)

    monkeypatch.setattr(media.av, "open", newer)
    path = EXAMPLES / "audio" / "office.wav"
    assert media.channels(path) == 1
    assert opened == [str(path)]


def test_a_channel_can_be_taken_out_of_the_others(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((2, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(b"\x01\x00\xff\x7f" * 16_000)
    assert media.channels(path) == 2
    left, right = (b"".join(media.samples(path, channel=channel)) for channel in (0, 1))
    assert (left, right) == (b"\x01\x00" * 16_000, b"\xff\x7f" * 16_000)


def test_a_part_is_exact_and_beyond_the_end_there_is_nothing(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(1))
    assert sum(map(len, media.samples(path, 250, 750))) == 500 * media.BYTES_PER_MS
    assert sum(map(len, media.samples(path, 900, 5_000))) == 100 * media.BYTES_PER_MS
    assert list(media.samples(path, 2_000)) == []
    assert list(media.samples(path, 500, 500)) == []


@pytest.mark.parametrize("content", [None, b"", b"Not a recording.", b"RIFF"])
def test_what_can_not_be_opened_has_no_channels(tmp_path, content):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    assert media.channels(path) == 0

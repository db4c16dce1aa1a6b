"""Recorded human speech through the command, held against what was said."""

import json
import re

import jiwer
import pytest
from typer.testing import CliRunner

from asyncscribe.cli.app import app
from tests.support import EXAMPLES, SHARED

pytestmark = pytest.mark.long

AUDIO = SHARED / "audio"


def words(text: str) -> str:
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("mr.", "mister").replace("mr ", "mister "))


@pytest.mark.skipif(not AUDIO.is_dir(), reason="the recordings of ../shared/audio are not here")
def test_the_word_error_rate_of_recorded_speech_is_at_most_40_percent(tmp_path):
    arguments = ["batch", str(AUDIO), "--local", "--output", str(tmp_path), "--format", "text"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    said = dict(line.split("\t") for line in (AUDIO / "transcripts.tsv").read_text().splitlines())
    assert len(said) == 5
    heard = {stem: (tmp_path / f"{stem}.wav.text").read_text() for stem in said}
    assert jiwer.wer([words(said[stem]) for stem in said], [words(heard[stem]) for stem in said]) <= 0.40


def test_the_examples_are_recognised_almost_word_for_word(tmp_path):
    script = (EXAMPLES / "make_audio.sh").read_text()
    said = {
        name.strip('"'): text for text, name in re.findall(r'^say \w+ "([^"]+)" ("[^"]+"|\S+)', script, re.MULTILINE)
    }
    assert len(said) >= 6
    assert len({name.rpartition(".")[2] for name in said}) >= 4
    result = CliRunner().invoke(
        app, ["batch", str(EXAMPLES / "audio"), "--local", "--output", str(tmp_path), "-f", "json", "-f", "srt"]
    )
    assert result.exit_code == 0, result.stderr
    heard = {name: json.loads((tmp_path / f"{name}.json").read_text())["text"] for name in said}
    assert jiwer.wer(list(said.values()), [heard[name] for name in said]) <= 0.05
    assert all((tmp_path / f"{name}.srt").read_text().startswith("1\n00:00:0") for name in said)

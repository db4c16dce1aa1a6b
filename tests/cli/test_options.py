"""How the values of options are read."""

from contextlib import suppress

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.cli.exits import UserError
from asyncscribe.cli.options import Features, place
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.support import recording


def test_flags_become_fields_and_options_win(served, tmp_path):  # noqa: F811
    config = tmp_path / "request.toml"
    config.write_text('punctuate = false\nlanguage_code = "fr"\n')
    flags = ["--speakers", "--language", "de", "--model", "universal-2", "--keyterm", "Ann", "--redact", "person_name"]
    run("transcribe", recording(), "--config", config, *flags, "-o", "language_code=it", "--multichannel")
    document = served.records[0].document
    assert document["punctuate"] is False
    assert document["language_code"] == "it"
    assert document["speech_models"] == ["universal-2"]
    assert document["keyterms_prompt"] == ["Ann"]
    assert document["redact_pii_policies"] == ["person_name"]
    assert document["speaker_labels"] is document["multichannel"] is document["redact_pii"] is True
    run("batch", recording("b"), "--language", "auto", "--output", tmp_path / "out")
    assert served.records[1].document["language_detection"] is True


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing.json", None, "No such file"),
        ("a.json", "{", "JSON or TOML"),
        ("a.json", '{"colour": 1}', "colour: there is no such field"),
        ("a.toml", "redact_pii = true", "redact_pii needs redact_pii_policies"),
    ],
)
def test_a_wrong_file_is_explained(served, tmp_path, name, content, text):  # noqa: F811
    if content is not None:
        (tmp_path / name).write_text(content)
    result = run("transcribe", recording(), "--config", tmp_path / name)
    assert result.exit_code == 2
    assert text in result.stderr


def test_nothing_typed_is_nothing_asked_for():
    assert Features().configuration().to_wire() == {}


@pytest.mark.parametrize(
    ("option", "wire"),
    [
        ("speaker_labels=true", {"speaker_labels": True}),
        (" language_code =de", {"language_code": "de"}),
        ("prompt=a=b", {"prompt": "a=b"}),
        ('keyterms_prompt=["a b"]', {"keyterms_prompt": ["a b"]}),
        ("speech_threshold=0.5", {"speech_threshold": 0.5}),
        ("punctuate=null", {}),
        ('extra={"new_thing": 1}', {"new_thing": 1}),
    ],
)
def test_an_option_is_json_if_it_can_be_and_a_text_else(option, wire):
    assert Features(options=[option]).configuration().to_wire() == wire


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["speaker_labels"], "expected KEY=VALUE"),
        (["=true"], "expected KEY=VALUE"),
        (["colour=red"], "there is no such field"),
        (["speech_threshold=7"], "speech_threshold: .*, not 7"),
        (["redact_pii=true"], "redact_pii needs"),
    ],
)
def test_a_mistake_names_the_field(options, problem):
    with pytest.raises(UserError, match=problem):
        Features(options=options).configuration()


def test_the_last_of_two_options_counts():
    options = ["language_code=de", "language_code=it"]
    assert Features(options=options, language="fr").configuration().language_code == "it"


@given(st.text())
def test_no_option_is_too_odd(text):
    # An unexpected error would come through.
    with suppress(UserError):
        assert Features(options=[text]).configuration()


def test_a_folder_may_be_called_anything_but_nothing():
    assert place(" a ") == " a "
    for nothing in ("", " ", "\n"):
        with pytest.raises(typer.BadParameter, match="it is empty"):
            place(nothing)

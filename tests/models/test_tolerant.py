"""Reading that never fails."""

import pytest
from hypothesis import given
from pydantic import ValidationError

from asyncscribe.models.tolerant import Items, Lenient, Result
from tests.models.test_transcript import json_values


class Part(Result):
    number: Lenient[int] = None


class Whole(Result):
    name: Lenient[str] = None
    parts: Items[Part] = ()


@given(json_values, json_values, json_values)
def test_no_value_is_too_odd(name, parts, number):
    whole = Whole.model_validate({"name": name, "parts": parts, "other": number})
    assert whole.name is None or whole.name == name
    assert all(isinstance(part, Part) for part in whole.parts)
    assert Part.model_validate({"number": number}).number is None or number is not None


def test_one_odd_value_spoils_no_other():
    whole = Whole.model_validate({"name": 3, "parts": [{"number": 1}, "no part", None, {"number": "many"}]})
    assert (whole.name, [part.number for part in whole.parts]) == (None, [1, None])


def test_what_is_missing_is_none_or_empty():
    assert (Whole.model_validate({}).name, Whole.model_validate({"parts": None}).parts) == (None, ())


def test_what_is_unknown_is_an_attribute():
    whole = Whole.model_validate({"colour": "red", "parts": [{"shape": [1]}]})
    assert (whole.colour, whole.parts[0].shape) == ("red", [1])
    with pytest.raises(AttributeError):
        _ = whole.taste


def test_nothing_can_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        Whole(name="a").name = "b"


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_only_what_is_no_object_is_refused(document):
    with pytest.raises(ValidationError):
        Whole.model_validate(document)

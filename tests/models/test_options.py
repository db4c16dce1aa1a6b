"""The values that fields of a request take, all of them open."""

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from asyncscribe.models import options
from asyncscribe.models.options import LanguageCode, Open, PiiPolicy, SpeechModel

ENUMS = [value for value in vars(options).values() if isinstance(value, enum.EnumMeta) and value is not enum.StrEnum]
MODELS = TypeAdapter(Open[SpeechModel])


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__name__)
def test_each_value_is_a_member_and_goes_out_as_it_came(kind):
    read = TypeAdapter(Open[kind])
    for member in kind:
        assert read.validate_python(member.value) is member
        assert read.dump_python(member, mode="json") == member.value
        assert f"{member}" == member.value


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__name__)
def test_no_two_names_mean_the_same_value(kind):
    assert len(set(kind)) == len(kind.__members__)


@given(st.text().filter(lambda text: text not in set(SpeechModel)))
def test_what_the_service_has_learnt_since_is_taken_as_it_is(text):
    read = MODELS.validate_python(text)
    assert (type(read), read) == (str, text)


@pytest.mark.parametrize("value", [None, 7, True, ["universal-2"], b"universal-2"])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ValidationError):
        MODELS.validate_python(value, strict=True)


def test_names_are_the_values_in_capitals():
    assert all(member.name == member.value.upper() for kind in (LanguageCode, PiiPolicy) for member in kind)

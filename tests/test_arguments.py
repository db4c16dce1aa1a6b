"""A mistake is told where it is made."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import ConfigurationError
from asyncscribe.arguments import check_kind


@given(st.none() | st.integers() | st.floats())
def test_what_is_wanted_and_nothing_at_all_is_taken(value):
    check_kind("timeout", value, (int, float), "seconds")
    # The same where something else is wanted.
    with nullcontext() if value is None else pytest.raises(ConfigurationError):
        check_kind("timeout", value, (str,), "a name")


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_number(value):
    with pytest.raises(ConfigurationError, match=f"timeout can't be {value}: seconds"):
        check_kind("timeout", value, (int, float), "seconds")


def test_a_number_is_shown():
    with pytest.raises(ConfigurationError, match=r"session can't be 0\.5: a ClientSession"):
        check_kind("session", 0.5, (str,), "a ClientSession")


@pytest.mark.parametrize("value", ["s3cret", b"s3cret", ["s3cret"], {"key": "s3cret"}])
def test_what_may_be_a_key_is_named_by_its_kind_alone(value):
    with pytest.raises(ConfigurationError, match=f"a {type(value).__name__}: a number of jobs") as mistake:
        check_kind("concurrency", value, (int,), "a number of jobs")
    assert "s3cret" not in str(mistake.value)


def test_a_class_is_not_one_of_its_instances():
    with pytest.raises(ConfigurationError, match="can't be a type"):
        check_kind("timeout", int, (int,), "seconds")

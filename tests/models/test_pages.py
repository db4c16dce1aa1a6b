"""One page of the list of transcripts: its times."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.models.pages import utc
from tests.models.test_transcript import json_values


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.none() | st.timezones()))  # noqa: DTZ001 - both kinds
def test_a_time_without_a_zone_is_utc_and_others_become_it(moment):
    read = utc(moment.isoformat())
    assert read.tzinfo is UTC
    assert read == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@given(json_values)
def test_what_is_no_time_is_none(value):
    assert utc(value) is None or isinstance(value, str)


@pytest.mark.parametrize("value", ["", "soon", "2026-13-01T00:00:00", "0001-01-01T00:00:00+14:00", b"2026-11-20"])
def test_a_time_that_can_not_be_is_none(value):
    assert utc(value) is None

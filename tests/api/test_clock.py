from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from asyncscribe.api.clock import ServiceClock

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def header(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def test_the_services_time_is_carried_on_by_the_monotonic_clock():
    clock = ServiceClock()
    assert not clock.is_known
    assert clock.at(0) is None
    assert clock.ahead(0, 0) is None
    clock.observe(header(NOON), 100.0)
    assert clock.is_known
    assert clock.at(100.0) == NOON
    assert clock.at(40.0) == NOON - timedelta(minutes=1)
    assert clock.ahead(100.0, (NOON - timedelta(hours=1)).timestamp()) == 3600


def test_one_server_with_a_wrong_clock_changes_nothing():
    clock = ServiceClock()
    for second in range(3):
        clock.observe(header(NOON + timedelta(seconds=second)), float(second))
    clock.observe(header(NOON + timedelta(hours=1)), 3.0)
    assert clock.at(3.0) == NOON + timedelta(seconds=3)


def test_what_is_no_date_is_no_time():
    clock = ServiceClock()
    for text in [None, "", "yesterday", "Fri, 99 Nov 2026"]:
        clock.observe(text, 0.0)
    assert not clock.is_known

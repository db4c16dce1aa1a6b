"""Events tell; whoever listens, they never hold a step up."""

import asyncio

import pytest

from asyncscribe.events import LimitChanged, Listeners, StateChanged, guarded, ignore
from asyncscribe.lifecycle import JobState

EVENT = LimitChanged(7)


def test_every_listener_gets_every_event_in_its_order():
    one, other = [], []
    listeners = Listeners(one.append)
    with listeners.listening(other.append):
        listeners(EVENT)
    listeners(LimitChanged(8))
    assert one == [EVENT, LimitChanged(8)]
    assert other == [EVENT]


@pytest.mark.parametrize("failure", [ValueError("no"), asyncio.CancelledError(), GeneratorExit()])
def test_a_listener_that_fails_is_logged_and_the_others_are_told(failure, caplog):
    def fail(event):
        raise failure

    told = []
    listeners = Listeners(fail)
    with listeners.listening(told.append):
        listeners(EVENT)
    assert told == [EVENT]
    assert "the event handler failed on LimitChanged(limit=7" in caplog.text


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_not_held_back(failure):
    def end(event):
        raise failure

    with pytest.raises(failure):
        guarded(end)(EVENT)


def test_one_may_begin_and_end_to_listen_while_an_event_is_told():
    told = []
    listeners = Listeners()

    def once(event):
        told.append(event)
        inner.close()

    def listen():
        with listeners.listening(once):
            yield

    inner = listen()
    next(inner)
    listeners(EVENT)
    listeners(EVENT)
    assert told == [EVENT]


def test_who_listens_twice_is_told_twice_and_ends_once_at_a_time():
    told = []
    listeners = Listeners()
    with listeners.listening(told.append):
        with listeners.listening(told.append):
            listeners(EVENT)
        listeners(EVENT)
    assert len(told) == 3


def test_a_context_that_ends_by_an_error_listens_no_more():
    told = []
    listeners = Listeners()
    with pytest.raises(ValueError, match="mine"), listeners.listening(told.append):
        raise ValueError("mine")
    listeners(EVENT)
    assert told == []


def test_events_are_values_that_show_nothing_of_what_callers_attach():
    one, other = (StateChanged(1, "a.wav", JobState.QUEUED, metadata=secret) for secret in ("s3cret", "s3cret"))
    assert one == other
    assert "s3cret" not in repr(one)
    with pytest.raises(AttributeError):
        one.state = JobState.COMPLETED
    assert ignore(one) is None

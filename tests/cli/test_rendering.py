import io

import pytest
from rich.console import Console

from asyncscribe.batch import BatchOutcome
from asyncscribe.batch.discovery import Item
from asyncscribe.cli.rendering import EVENT_TYPES, Live, Ndjson, Plain, Quiet, choose
from asyncscribe.cli.tally import Tally
from asyncscribe.errors import SourceError
from asyncscribe.events import Event, RequestsPaused, Resubmitting, StateChanged
from asyncscribe.lifecycle import JobState


def moved(job, state) -> StateChanged:
    return StateChanged(job, f"{job}.wav", state)


def outcome(name="a.wav", error=None) -> BatchOutcome:
    return BatchOutcome(Item(name, name), None, error, (), 1, 1.5)


def test_the_tally_counts_what_is_where():
    tally = Tally()
    for job, state in [(1, JobState.UPLOADING), (2, JobState.QUEUED), (3, JobState.QUEUED), (2, JobState.PROCESSING)]:
        tally.take(moved(job, state))
    assert tally.count(JobState.QUEUED) == 1
    assert tally.count(JobState.UPLOADING, JobState.PROCESSING) == 2
    for job in (1, 2, 3):
        tally.take(moved(job, JobState.COMPLETED))
    assert tally.count(*JobState) == 0


def test_every_event_has_a_type_for_programs():
    assert set(EVENT_TYPES) == set(Event.__args__)


def test_a_terminal_shows_counts_and_failures():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=160, color_system=None)
    with Live(console) as live:
        live.tally.total = 4
        live.event(moved(1, JobState.UPLOADING))
        live.event(moved(2, JobState.QUEUED))
        live.event(RequestsPaused(7))
        live.event(Resubmitting(2, "[b]odd.wav", "t", "Server error", 1))
        live.finished(outcome())
        live.finished(outcome("[odd].wav", SourceError("[odd].wav", "is empty")))
    shown = text.getvalue()
    for part in ["1 done", "1 failed", "1 uploading", "1 queued", "0 processing", "50%"]:
        assert part in shown
    assert "FAILED [odd].wav: is empty" in shown
    assert "[b]odd.wav: submitted again" in shown
    assert "pause of 7 s" in shown


def test_the_display_fits_where_it_is_shown(monkeypatch):
    assert isinstance(choose(as_json=True, quiet=False), Ndjson)
    assert type(choose(as_json=False, quiet=True)) is Quiet
    assert isinstance(choose(as_json=False, quiet=False), Plain)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose(as_json=False, quiet=False), Live)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose(as_json=False, quiet=False), Plain)


@pytest.mark.parametrize("name", ["caf\udce9.wav", "日本語.wav"])
def test_odd_names_can_be_shown(capsys, name):
    plain = Plain()
    plain.finished(outcome(name))
    assert ".wav" in capsys.readouterr().err

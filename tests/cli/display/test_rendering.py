import io

import pytest
from rich.console import Console

from asyncscribe.batch import BatchOutcome
from asyncscribe.batch.inputs.discovery import BatchItem
from asyncscribe.cli.display.live import Live, choose
from asyncscribe.cli.display.rendering import EVENT_TYPES, Ndjson, Plain, Quiet
from asyncscribe.cli.display.tally import Rate, Tally
from asyncscribe.errors import SourceError
from asyncscribe.events import Event, LimitChanged, RequestsPaused, Resubmitting, StateChanged, UploadProgress
from asyncscribe.lifecycle import JobState


def moved(job, state) -> StateChanged:
    return StateChanged(job, f"{job}.wav", state)


def outcome(name="a.wav", error=None) -> BatchOutcome:
    return BatchOutcome(BatchItem(name, name), None, error, (), 1, 1.5)


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


def test_rates_and_the_time_left_are_of_the_last_minute():
    now = [1000.0]
    ends = Rate(lambda: now[0])
    tally = Tally(total=220, known_before=lambda: 100, ends=ends)
    assert tally.seconds_left is None
    for _ in range(20):
        now[0] += 0.5
        tally.finished(ok=True)
    assert ends.per_second == pytest.approx(2)
    assert (tally.ended, tally.seconds_left) == (120, pytest.approx(50))
    now[0] += 61
    assert ends.per_second == 0
    assert tally.seconds_left is None


def test_uploads_that_start_over_are_counted_again():
    now = [0.0]
    tally = Tally(uploaded=Rate(lambda: now[0]))
    now[0] = 10
    for sent in (100, 300, 100):
        tally.take(UploadProgress(1, "a.wav", sent, 300))
    assert tally.uploaded.per_second == pytest.approx(40)


def test_a_terminal_shows_counts_and_the_last_failures():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=160, color_system=None)
    with Live(console) as live:
        live.tally.total = 12
        live.tally.known_before = lambda: 2
        live.event(moved(1, JobState.UPLOADING))
        live.event(UploadProgress(1, "1.wav", 10**9, 10**9))
        live.event(moved(2, JobState.QUEUED))
        live.event(LimitChanged(7, "found"))
        live.event(RequestsPaused(7))
        live.event(Resubmitting(2, "[b]odd.wav", "t", "Server error", 1))
        live.finished(outcome())
        for number in range(5):
            live.finished(outcome(f"[{number}].wav", SourceError(f"[{number}].wav", "is empty")))
    shown = text.getvalue()
    parts = ["1 done", "2 before", "5 failed", "1 uploading", "1 queued", "0 processing", "1 resubmitted"]
    for part in [*parts, "67%", "8/12", "limit 7 (found)", "MB/s up", "pause of 7 s"]:
        assert part in shown
    last = shown[shown.rindex("8/12") :]
    assert [number for number in range(5) if f"FAILED [{number}].wav: is empty" in last] == [2, 3, 4]


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

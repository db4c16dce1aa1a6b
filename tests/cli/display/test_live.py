"""A running batch on a terminal."""

import io

import pytest
from rich.console import Console

from asyncscribe.cli.display.live import Live, choose
from asyncscribe.cli.display.rendering import Ndjson, Plain, Quiet
from asyncscribe.errors import SourceError
from asyncscribe.events import LimitChanged, RequestsPaused, Resubmitting, UploadProgress
from asyncscribe.lifecycle import JobState
from tests.cli.display.test_rendering import outcome
from tests.cli.display.test_tally import moved


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


def drawn(use):
    text = io.StringIO()
    with Live(Console(file=text, force_terminal=True, width=160, color_system=None)) as live:
        use(live)
    return text.getvalue()


def test_before_anything_is_known_it_says_so():
    shown = drawn(lambda live: None)
    assert "0/?" in shown
    assert "0 done · 0 failed" in shown
    assert "limit" not in shown
    assert "left" not in shown


def test_names_and_reasons_steer_no_terminal():
    shown = drawn(lambda live: live.finished(outcome("a\x1b]0;b\n.wav", SourceError("x", "\x1b[31mred"))))
    assert "FAILED a\\x1b]0;b\\n.wav: x: \\x1b[31mred" in shown


def test_texts_go_to_stdout_where_that_is_no_terminal(capsys):
    shown = drawn(lambda live: live.text("a.wav: [b]said"))
    assert capsys.readouterr().out == "a.wav: [b]said\n"
    assert "said" not in shown


def test_the_terminal_is_given_back_whatever_ends_it():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    with pytest.raises(KeyboardInterrupt), Live(console):
        raise KeyboardInterrupt
    assert text.getvalue().rindex("\x1b[?25h") > text.getvalue().rindex("\x1b[?25l")

"""How a batch is shown without a terminal: plain lines, or NDJSON for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from types import TracebackType
from typing import Any, Protocol, Self

from asyncscribe.batch import BatchOutcome
from asyncscribe.cli.display.tally import Tally
from asyncscribe.cli.exits import echo_err
from asyncscribe.events import (
    Event,
    LimitChanged,
    RequestRetried,
    RequestsPaused,
    Resubmitting,
    StateChanged,
    UploadProgress,
)
from asyncscribe.sources import name_of

#: The `type` of each event in NDJSON. Types are added, never changed.
EVENT_TYPES: dict[type[Event], str] = {
    StateChanged: "state",
    UploadProgress: "upload",
    Resubmitting: "resubmitting",
    LimitChanged: "limit",
    RequestRetried: "retry",
    RequestsPaused: "pause",
}

#: What controls a terminal instead of being shown: control characters, and those that change the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Display(Protocol):
    """Shows a running batch. A context manager."""

    tally: Tally
    on_unread: Callable[[OSError], None]
    """Called when stdout can't be written any more."""

    def event(self, event: Event) -> None:
        """Take an event of the client's."""
        ...

    def finished(self, outcome: BatchOutcome) -> None:
        """Take the end of a recording."""
        ...

    def text(self, line: str) -> None:
        """Print a line of data to stdout."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def printable(text: str) -> str:
    """A text that any terminal can print, without control characters: a name can have any character."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), encodable(text))


def encodable(text: str) -> str:
    """A text that can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def figure(amount: float) -> str:
    """An amount of hours or money, with the relevant digits."""
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def reason(outcome: BatchOutcome) -> str:
    """Why a recording has no files, without the source's name in front."""
    text = str(outcome.error) or type(outcome.error).__name__
    notes = getattr(outcome.error, "__notes__", ())
    text = "; ".join([text, *notes])
    return printable(text.removeprefix(f"{name_of(outcome.item.source)}: "))


class Quiet:
    """Shows nothing; still counts."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.on_unread: Callable[[OSError], None] = _ignore
        self._unread = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def event(self, event: Event) -> None:
        """Count."""
        self.tally.take(event)

    def finished(self, outcome: BatchOutcome) -> None:
        """Count."""
        self.tally.finished(ok=outcome.error is None)

    def text(self, line: str) -> None:
        """Print the line at once, so that a reader of a pipe sees it."""
        self._put(lambda: _print(line))

    def _put(self, write: Callable[[], None]) -> None:
        """Write to stdout; once its reader has gone, report that, and write nothing more."""
        if self._unread:
            return
        try:
            write()
        except OSError as error:
            self._unread = True
            self.on_unread(error)


class Plain(Quiet):
    """A line on stderr for each recording that has ended, for each pause and each resubmission."""

    def event(self, event: Event) -> None:
        """Print pauses and resubmissions."""
        super().event(event)
        match event:
            case RequestsPaused():
                echo_err(f"the service asks for a pause of {event.seconds:.0f} s")
            case Resubmitting():
                echo_err(f"{event.source}: submitted again, because the service failed it ({event.reason})")

    def finished(self, outcome: BatchOutcome) -> None:
        """Print how it ended."""
        super().finished(outcome)
        ended = self.tally.ended
        of = "" if self.tally.total is None else f"/{max(self.tally.total, ended)}"
        verdict = "done  " if outcome.error is None else "FAILED"
        because = "" if outcome.error is None else f": {reason(outcome)}"
        echo_err(f"[{ended}{of}] {verdict} {printable(outcome.item.name)} ({outcome.elapsed:.1f} s){because}")


class Ndjson(Quiet):
    """A line with a JSON object on stdout for every event and every outcome."""

    def event(self, event: Event) -> None:
        """Write the event."""
        super().event(event)
        content = {
            "type": EVENT_TYPES[type(event)],
            **{f.name: getattr(event, f.name) for f in fields(event) if f.name != "metadata"},
        }
        self._put(lambda: write_json(content))

    def finished(self, outcome: BatchOutcome) -> None:
        """Write the end of a recording."""
        super().finished(outcome)
        content = {
            "type": "outcome",
            "source": name_of(outcome.item.source),
            "name": encodable(outcome.item.name),
            "ok": outcome.error is None,
            "transcript_id": outcome.transcript.id if outcome.transcript else None,
            "error": None if outcome.error is None else reason(outcome),
            "files": [encodable(str(path)) for path in outcome.files],
            "submissions": outcome.submissions,
            "elapsed": round(outcome.elapsed, 3),
        }
        self._put(lambda: write_json(content))


def _ignore(error: OSError) -> None:
    """Do nothing."""


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_json(content: dict[str, Any]) -> None:
    """Write an object as one line to stdout, at once."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()

"""How a batch is shown: a live block on a terminal, plain lines elsewhere, NDJSON for programs."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from asyncscribe.batch import BatchOutcome
from asyncscribe.cli.exits import tell
from asyncscribe.cli.tally import Tally
from asyncscribe.events import (
    Event,
    LimitChanged,
    RequestRetried,
    RequestsPaused,
    Resubmitting,
    StateChanged,
    UploadProgress,
)
from asyncscribe.lifecycle import JobState
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


class Display(Protocol):
    """Shows a running batch. A context manager."""

    tally: Tally

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
    """A text that every terminal can print."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def reason(outcome: BatchOutcome) -> str:
    """Why a recording has no files, without the source's name in front."""
    text = str(outcome.error) or type(outcome.error).__name__
    return printable(text.removeprefix(f"{name_of(outcome.item.source)}: "))


class Quiet:
    """Shows nothing; still counts."""

    def __init__(self) -> None:
        self.tally = Tally()

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
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Plain(Quiet):
    """A line on stderr for each recording that has ended, and for what the user should know."""

    def event(self, event: Event) -> None:
        """Tell of pauses and resubmissions."""
        super().event(event)
        match event:
            case RequestsPaused():
                tell(f"the service asks for a pause of {event.seconds:.0f} s")
            case Resubmitting():
                tell(f"{event.source}: submitted again, for the service failed it ({event.reason})")

    def finished(self, outcome: BatchOutcome) -> None:
        """Tell how it ended."""
        super().finished(outcome)
        ended = self.tally.done + self.tally.failed
        of = "" if self.tally.total is None else f"/{max(self.tally.total, ended)}"
        verdict = "done  " if outcome.error is None else "FAILED"
        because = "" if outcome.error is None else f": {reason(outcome)}"
        tell(f"[{ended}{of}] {verdict} {printable(outcome.item.name)} ({outcome.elapsed:.1f} s){because}")


class Ndjson(Quiet):
    """A JSON object a line on stdout, for every event and every end."""

    def event(self, event: Event) -> None:
        """Write the event."""
        super().event(event)
        write_json({"type": EVENT_TYPES[type(event)], **{f.name: getattr(event, f.name) for f in fields(event)}})

    def finished(self, outcome: BatchOutcome) -> None:
        """Write the end of a recording."""
        super().finished(outcome)
        write_json(
            {
                "type": "outcome",
                "source": name_of(outcome.item.source),
                "name": printable(outcome.item.name),
                "ok": outcome.error is None,
                "transcript_id": outcome.transcript.id if outcome.transcript else None,
                "error": None if outcome.error is None else reason(outcome),
                "files": [printable(str(path)) for path in outcome.files],
                "submissions": outcome.submissions,
                "elapsed": round(outcome.elapsed, 3),
            }
        )


def write_json(content: dict[str, Any]) -> None:
    """Write an object as one line to stdout, at once."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class _Counts(ProgressColumn):
    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:
        tally = self._tally
        parts = [
            (f"{tally.done} done", "green"),
            (f"{tally.failed} failed", "red" if tally.failed else "dim"),
            (f"{tally.count(JobState.UPLOADING)} uploading", ""),
            (f"{tally.count(JobState.QUEUED)} queued", "yellow"),
            (f"{tally.count(JobState.PROCESSING, JobState.SUBMITTING)} processing", "cyan"),
        ]
        if tally.before:
            parts.insert(1, (f"{tally.before} before", "dim"))
        if tally.limit is not None:
            parts.append((f"limit {tally.limit}{f' ({tally.basis})' if tally.basis else ''}", "dim"))
        elapsed = task.elapsed or 0.0
        ended = tally.done + tally.failed
        if elapsed and ended:
            parts.append((f"{60 * ended / elapsed:.3g}/min", ""))
        if elapsed and tally.count(JobState.UPLOADING):
            parts.append((f"{tally.uploaded / elapsed / 1e6:.1f} MB/s", ""))
        return Text(" · ").join(Text(text, style) for text, style in parts)


class Live(Quiet):
    """A bar with counts and the time left on stderr; failures stand as lines above it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            _Counts(self.tally),
            TimeRemainingColumn(compact=True),
            console=console,
            refresh_per_second=4,
            # It would send what is printed to stdout to this console, which is stderr.
            redirect_stdout=False,
        )
        self._task = self._progress.add_task("transcribing", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def event(self, event: Event) -> None:
        """Count; say when jobs are submitted again or everything pauses."""
        super().event(event)
        match event:
            case RequestsPaused():
                self._line(f"the service asks for a pause of {event.seconds:.0f} s")
            case Resubmitting():
                self._line(f"{event.source}: submitted again, for the service failed it")

    def finished(self, outcome: BatchOutcome) -> None:
        """Move the bar."""
        super().finished(outcome)
        if outcome.error is not None:
            self._line(f"FAILED {printable(outcome.item.name)}: {reason(outcome)}")
        self._progress.update(
            self._task,
            completed=self.tally.before + self.tally.done + self.tally.failed,
            total=self.tally.total,
            refresh=False,
        )

    def text(self, line: str) -> None:
        """Print the line to stdout; above the bar where both are the same terminal."""
        if sys.stdout.isatty():
            self._line(line)
        else:
            super().text(line)

    def _line(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


def choose(*, as_json: bool, quiet: bool) -> Display:
    """The display that fits: NDJSON if asked for, live on a terminal, else plain lines."""
    if as_json:
        return Ndjson()
    if quiet:
        return Quiet()
    console = Console(stderr=True)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Plain()

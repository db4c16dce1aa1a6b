"""How a batch is shown on a terminal: a bar with the time left, counts, the limit, and the last failures."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from asyncscribe.batch import BatchOutcome
from asyncscribe.cli.display.rendering import Display, Ndjson, Plain, Quiet, printable, reason
from asyncscribe.cli.display.tally import Tally
from asyncscribe.events import Event, RequestsPaused
from asyncscribe.lifecycle import JobState

#: Failures that are shown while it runs; all are listed at the end.
LAST_FAILURES = 3


def choose(*, as_json: bool, quiet: bool) -> Display:
    """The display that fits: NDJSON if asked for, live on a terminal, else plain lines."""
    if as_json:
        return Ndjson()
    if quiet:
        return Quiet()
    console = Console(stderr=True)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Plain()


class Live(Quiet):
    """A block on stderr that is redrawn four times a second, at the terminal's present width."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._block = _Block(self.tally, console)

    def __enter__(self) -> Self:
        self._block.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._block.stop()

    def event(self, event: Event) -> None:
        """Count; say when everything pauses."""
        super().event(event)
        if isinstance(event, RequestsPaused):
            self._line(f"the service asks for a pause of {event.seconds:.0f} s")

    def finished(self, outcome: BatchOutcome) -> None:
        """Count; show why it failed, if it did."""
        super().finished(outcome)
        if outcome.error is not None:
            self._block.failures.append(f"{printable(outcome.item.name)}: {reason(outcome)}")

    def text(self, line: str) -> None:
        """Print the line to stdout; above the block where both are the same terminal."""
        if sys.stdout.isatty():
            self._line(line)
        else:
            super().text(line)

    def _line(self, text: str) -> None:
        self._block.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Block(Progress):
    """The block itself. It reads the tally whenever it is drawn."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self._tally = tally
        self.failures: deque[str] = deque(maxlen=LAST_FAILURES)
        super().__init__(
            TextColumn("transcribing"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}"),
            console=console,
            refresh_per_second=4,
            # Otherwise what is printed to stdout would go to this console, which is stderr.
            redirect_stdout=False,
        )
        self.add_task("", total=None)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines of the block."""
        for task in self.tasks:
            task.total, task.completed, task.description = self._tally.total, self._tally.ended, _pace(self._tally)
        yield from super().get_renderables()
        for line in (_counts(self._tally), _flow(self._tally), *map(_failure, self.failures)):
            if line.plain:
                # A line that is cut stays one line, so that the block keeps its height.
                line.no_wrap, line.overflow = True, "ellipsis"
                yield line


def _pace(tally: Tally) -> str:
    parts = [f"{tally.ended}/{'?' if tally.total is None else tally.total}"]
    if rate := tally.ends.per_second:
        parts.append(f"{60 * rate:.3g}/min")
    if (left := tally.seconds_left) is not None:
        parts.append(f"{timedelta(seconds=round(left))} left")
    return " · ".join(parts)


def _counts(tally: Tally) -> Text:
    parts = [
        (f"{tally.done} done", "green"),
        (f"{tally.failed} failed", "red" if tally.failed else "dim"),
        (f"{tally.count(JobState.UPLOADING)} uploading", ""),
        (f"{tally.count(JobState.WAITING)} waiting", ""),
        (f"{tally.count(JobState.QUEUED)} queued", "yellow"),
        (f"{tally.count(JobState.PROCESSING, JobState.SUBMITTING)} processing", "cyan"),
    ]
    if before := tally.known_before():
        parts.insert(1, (f"{before} before", "dim"))
    if tally.resubmitted:
        parts.append((f"{tally.resubmitted} resubmitted", "yellow"))
    return Text(" · ").join(Text(text, style) for text, style in parts)


def _flow(tally: Tally) -> Text:
    parts = []
    if tally.limit is not None:
        parts.append(f"limit {tally.limit}{f' ({tally.basis})' if tally.basis else ''}")
    if (speed := tally.uploaded.per_second) >= 1e3:
        parts.append(f"{speed / 1e6:.1f} MB/s up")
    return Text(" · ".join(parts), "dim")


def _failure(text: str) -> Text:
    return Text(f"FAILED {text}", "red")

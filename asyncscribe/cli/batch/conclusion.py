"""The summary at the end of a batch, and its exit code."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncscribe.batch import Batch, BatchOutcome
from asyncscribe.cli.display.rendering import Display, Ndjson, printable, reason, write_json
from asyncscribe.cli.exits import Exit, UserError, echo_err
from asyncscribe.errors import AccountError, AsyncscribeError, JournalError

#: Failures that are listed at the end.
MOST_FAILURES = 50


@dataclass(slots=True)
class Failures:
    """Recordings that failed in this run.

    Attributes:
        count: All of them.
        lines: Names and reasons of the first ones.
        fatal: An error that every recording would meet.
    """

    count: int = 0
    lines: list[str] = field(default_factory=list)
    fatal: AsyncscribeError | None = None

    def add(self, outcome: BatchOutcome) -> None:
        """One more."""
        self.count += 1
        if len(self.lines) < MOST_FAILURES:
            self.lines.append(f"{printable(outcome.item.name)}: {reason(outcome)}")
        if isinstance(outcome.error, AccountError | JournalError):
            self.fatal = outcome.error


def conclude(display: Display, batch: Batch, failures: Failures, output: str) -> Exit:
    """Say how it ended.

    Raises:
        UserError: There was nothing to transcribe.
        AsyncscribeError: An error that every recording would meet.
    """
    tally = display.tally
    known = tally.done or failures.count or batch.unreadable or batch.skipped or batch.left or batch.exhausted
    if not known:
        raise UserError("there is no audio or video in what was given", code=Exit.FAILED)
    if isinstance(display, Ndjson):
        write_json(
            {
                "type": "summary",
                "done": tally.done,
                "failed": tally.failed,
                "skipped": batch.skipped,
                "left": batch.left,
                "stopped": batch.exhausted,
            }
        )
    else:
        _echo_summary(display, batch, failures, output)
    if failures.fatal is not None:
        raise failures.fatal
    if batch.exhausted:
        return Exit.STOPPED
    return Exit.FAILED if failures.count or batch.unreadable or batch.left else Exit.DONE


def _echo_summary(display: Display, batch: Batch, failures: Failures, output: str) -> None:
    tally = display.tally
    skipped = f", {batch.skipped} were done before" if batch.skipped else ""
    echo_err(f"{tally.done} done, {tally.failed} failed{skipped}; transcripts are in {printable(output)}")
    for line in failures.lines:
        echo_err(f"  {line}")
    if unsaid := failures.count - len(failures.lines):
        echo_err(f"  and {unsaid} more: asyncscribe batch export {printable(output)} has the reason of each")
    for unreadable in batch.unreadable:
        echo_err(f"  {printable(str(unreadable.path))}: {unreadable.problem}")
    if batch.left:
        echo_err(
            f"  {batch.left} failed in an earlier run and were left alone: asyncscribe batch status lists them, "
            "--retry-failed tries them again"
        )
    if batch.unreachable:
        echo_err("  stopped, because the service can't be reached; the same command resumes when it can")
    if batch.exhausted:
        echo_err("  stopped at the allowance; the same command resumes with what is left")

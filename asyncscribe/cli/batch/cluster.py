"""`asyncscribe batch --journal`: taking part in a batch that many machines share; `asyncscribe batch workers`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol

import anyio
import typer
from rich.console import Console
from rich.table import Table

from asyncscribe.batch import Batch, Journal
from asyncscribe.batch.claims import Claims
from asyncscribe.cli.batch.conclusion import Failures
from asyncscribe.cli.batch.journals import Membership, require_driver, until_back
from asyncscribe.cli.display.rendering import printable, write_json
from asyncscribe.cli.exits import Exit, echo_err, run
from asyncscribe.cli.options import AsJson
from asyncscribe.errors import JournalError, LeaseLost

if TYPE_CHECKING:
    from asyncscribe.batch.cluster.crew import Crew


class _Make(Protocol):
    def __call__(self, *, journal: Journal, claims: Claims, max_hours: float | None) -> Batch: ...


async def take_part(
    membership: Membership,
    make: _Make,
    follow: Callable[[Batch], Awaitable[Failures]],
    hours: float | None,
) -> tuple[Batch, Failures]:
    """Work on a shared batch to its end, as a new worker whenever the lease is lost.

    Args:
        membership: How to take part.
        make: Makes the batch.
        follow: Runs it to its end.
        hours: Hours of audio that all processes of the run may submit; None for any number.

    Raises:
        JournalError: The database can't be used, or was away for too long.
    """
    away_since: float | None = None
    first = True
    while True:
        stay = _Stay()
        await _once(membership, make, follow, hours, stay)
        if stay.batch is not None and stay.error is None:
            return stay.batch, stay.failures
        if isinstance(stay.error, LeaseLost):
            echo_err("this process lost the database for longer than its lease, and joins as a new worker")
        elif stay.error is not None and (first or stay.batch is not None):
            # The database was never reached, or it answers and can't be used.
            raise stay.error
        if stay.batch is not None:
            away_since = None
        first = False
        away_since = away_since or anyio.current_time()
        if stay.batch is None and stay.error is not None:
            await until_back(stay.error, away_since)


@dataclass(slots=True)
class _Stay:
    """The result of taking part once: the batch if it was joined, and what ended it early."""

    batch: Batch | None = None
    failures: Failures = field(default_factory=Failures)
    error: JournalError | None = None


async def _once(
    membership: Membership,
    make: _Make,
    follow: Callable[[Batch], Awaitable[Failures]],
    hours: float | None,
    stay: _Stay,
) -> None:
    try:
        async with (
            membership.join(None if hours is None else 3600 * hours) as crew,
            make(journal=crew.journal, claims=crew, max_hours=hours) as stay.batch,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_watch, crew, stay, group.cancel_scope)
            stay.failures = await follow(stay.batch)
            group.cancel_scope.cancel()
    except* JournalError as errors:
        stay.error = _first(errors)
    if isinstance(stay.failures.fatal, JournalError):
        stay.error = stay.failures.fatal


async def _watch(crew: Crew, stay: _Stay, scope: anyio.CancelScope) -> None:
    await crew.worker.lost.wait()
    stay.error = LeaseLost(crew.journal.place, f"worker {crew.worker.id} is believed dead")
    scope.cancel()


def _first(errors: BaseExceptionGroup[JournalError]) -> JournalError:
    """The error to report; a lost lease comes first, because it causes the others."""
    leaves: list[JournalError] = []
    for error in errors.exceptions:
        leaves.extend([_first(error)] if isinstance(error, BaseExceptionGroup) else [error])
    return next((error for error in leaves if isinstance(error, LeaseLost)), leaves[0])


def workers(
    journal: Annotated[
        str, typer.Option("--journal", metavar="postgresql://...", envvar="ASYNCSCRIBE_JOURNAL", show_envvar=True)
    ],
    as_json: AsJson = False,
) -> None:
    """Show who works on a shared batch: name, host, unfinished jobs, seconds until the lease ends."""

    async def work() -> Exit:
        require_driver()
        from asyncscribe.batch.journal.postgres import PostgresJournal

        async with PostgresJournal(journal, read_only=True) as shared:
            alive, strays = await shared.alive(), await shared.strays()
        if as_json:
            for member in alive:
                write_json(
                    {
                        "type": "worker",
                        "id": member.id,
                        "name": member.name,
                        "host": member.host,
                        "jobs": member.jobs,
                        "expires": round(member.expires, 1),
                    }
                )
            return Exit.DONE
        table = Table("worker", "name", "host", "jobs", "lease ends in", title_justify="left")
        for member in alive:
            name, host = printable(member.name), printable(member.host)
            table.add_row(str(member.id), name, host, str(member.jobs), f"{member.expires:.0f} s")
        Console(soft_wrap=not sys.stdout.isatty()).print(table)
        for stray in strays:
            echo_err(f"transcript {stray.id} was paid for by worker {stray.worker}, which had lost job {stray.job}")
        return Exit.DONE

    run(work)

"""Which journal a command works with: the one in the output folder, or one that many machines share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from asyncscribe.batch.journal.records import Journal
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.cli.exits import UserError, echo_err
from asyncscribe.errors import JournalError

if TYPE_CHECKING:
    from asyncscribe.batch.cluster.crew import Crew
    from asyncscribe.batch.journal.postgres import PostgresJournal

#: Seconds for which a database that is away is retried, and between two attempts.
PATIENCE = 1800.0
PAUSE = 3.0

SharedJournal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="postgresql://...",
        envvar="ASYNCSCRIBE_JOURNAL",
        show_envvar=True,
        help="A database that any number of machines share, in place of a file in the output folder.",
    ),
]
SharedFiles = Annotated[
    bool, typer.Option("--shared-files", help="With --journal: local paths are the same files on all machines.")
]
OutputFolder = Annotated[Path | None, typer.Argument(metavar="DIR", help="The output folder of the batch.")]


@dataclass(frozen=True, slots=True)
class Membership:
    """How a process takes part in a shared batch.

    Attributes:
        dsn: Where the database is.
        name: The name of the process; None for its host.
        shared_files: Whether local paths lead to the same files on all machines.
        run: Whose allowance is used; None for everybody's.
        lease: Seconds of silence after which others take over its jobs.
    """

    dsn: str = field(repr=False)
    name: str | None = None
    shared_files: bool = False
    run: str | None = None
    lease: float = 30.0

    def join(self, allowed: float | None) -> AbstractAsyncContextManager[Crew]:
        """Take part.

        Args:
            allowed: Seconds of audio that the run may submit.
        """
        require_driver()
        from asyncscribe.batch.cluster.crew import EVERYBODY, joined

        return joined(
            self.dsn,
            name=self.name,
            shared_files=self.shared_files,
            run=self.run or EVERYBODY,
            allowed=allowed,
            lease=self.lease,
            beat=self.lease / 3,
        )


def require_driver() -> None:
    """Check that the database's driver is installed.

    Raises:
        UserError: It is not.
    """
    if find_spec("psycopg") is None:
        raise UserError("a shared journal needs psycopg", "pip install 'asyncscribe[postgres]'")


@asynccontextmanager
async def journal_of(folder: Path | None, dsn: str | None) -> AsyncGenerator[SqliteJournal | PostgresJournal, None]:
    """The journal of a batch, read-only.

    Raises:
        UserError: Neither a folder nor a database is named.
        JournalError: There is none.
    """
    if dsn is None and folder is None:
        raise UserError("which batch?", "name its output folder, or --journal postgresql://...")
    if dsn is None and folder is not None:
        async with SqliteJournal(folder, read_only=True) as journal:
            yield journal
        return
    require_driver()
    from asyncscribe.batch.journal.postgres import PostgresJournal

    async with PostgresJournal(dsn or "", read_only=True) as shared:
        yield shared


def rebuilt(folder: Path, dsn: str | None, shared_files: bool) -> AbstractAsyncContextManager[Journal]:
    """The journal of a batch, to be rebuilt.

    Raises:
        UserError: The database's driver is not installed.
        JournalError: It can't be used.
    """
    if dsn is None:
        return SqliteJournal(folder)
    require_driver()
    from asyncscribe.batch.cluster.recovering import recovering

    return recovering(dsn, shared_files=shared_files)


async def until_back(error: JournalError, begun: float) -> None:
    """Wait before the database is tried again.

    Raises:
        JournalError: It has been away for too long.
    """
    if anyio.current_time() - begun > PATIENCE:
        raise error
    echo_err(f"{error}; trying again")
    await anyio.sleep(PAUSE)

"""`asyncscribe batch --ray`: workers of a shared batch on a Ray cluster, and how far the batch is."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

import anyio
from rich.console import Console

from asyncscribe.batch import Format
from asyncscribe.batch.inputs.discovery import is_url
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.records import SavedState, status_of
from asyncscribe.cli.batch.journals import Membership, require_driver
from asyncscribe.cli.connection import address as address_of
from asyncscribe.cli.display.rendering import printable, write_json
from asyncscribe.cli.exits import Exit, UserError, echo_err
from asyncscribe.cli.options import fields_of
from asyncscribe.errors import JournalError, MissingApiKey
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.settings import ADDRESS_NAME, KEY_NAME, resolve

if TYPE_CHECKING:
    from asyncscribe.batch.cluster.ray import Ended, Order, RayWorkers
    from asyncscribe.batch.journal.postgres import PostgresJournal

#: Seconds between two checks of the journal, at least.
POLL = 2.0
#: The pause after a check, in durations of that check: with a million recordings it takes the database a third of a
#: second.
REST = 10
#: Seconds in which the journal must answer.
PATIENCE = 15.0
#: Seconds between two checks of workers that are to end.
STEP = 0.2
#: Seconds between two lines without a terminal.
LINES = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the workers do: the options of `asyncscribe batch`."""

    sources: Sequence[str]
    output: str
    formats: Sequence[Format]
    config: TranscriptionConfig
    membership: Membership
    base_url: str | None
    concurrency: int | None
    hours: float | None
    retry_failed: bool

    def order(self) -> Order:
        """The same for workers on other machines: with absolute paths, and secrets kept apart.

        Raises:
            ConfigurationError: The key or the address is not usable.
        """
        from asyncscribe.batch.cluster.ray import Order

        return Order(tuple(self._arguments()), json.dumps(fields_of(self.config)), self._environment())

    def _arguments(self) -> list[str]:
        given = {
            "--output": _absolute(self.output),
            "--concurrency": self.concurrency,
            "--max-hours": self.hours,
            "--run": self.membership.run,
            "--lease": self.membership.lease,
        }
        valued = [text for name, value in given.items() if value is not None for text in (name, str(value))]
        flags = {"--retry-failed": self.retry_failed, "--shared-files": self.membership.shared_files}
        forms = [text for form in self.formats for text in ("--format", form.value)]
        return [*valued, *forms, *(name for name, is_on in flags.items() if is_on)]

    def _environment(self) -> dict[str, str]:
        """Without a key here, each worker looks for its own."""
        environment = {"ASYNCSCRIBE_JOURNAL": self.membership.dsn, ADDRESS_NAME: address_of(self.base_url)}
        with suppress(MissingApiKey):
            environment[KEY_NAME] = resolve(None, self.base_url).api_key.get_secret_value()
        return environment


async def launch(job: Job, address: str, workers: int | None, *, as_json: bool, quiet: bool) -> Exit:
    """Start workers on a Ray cluster, and show how far the batch is until they have ended.

    Any number of launchers may run at once, each with workers of its own. One that is killed takes its workers with it,
    and the same command resumes.

    Args:
        job: What they do.
        address: Where the cluster is.
        workers: How many; None for one on each node.
        as_json: Print the counts to stdout, a JSON object a line.
        quiet: Show no counts.

    Raises:
        UserError: Ray is not installed, or can't be reached.
        JournalError: The database can't be used.
    """
    if find_spec("ray") is None:
        raise UserError("--ray needs Ray", "pip install 'asyncscribe[ray]'")
    require_driver()
    from asyncscribe.batch.cluster.ray import RayWorkers, connected
    from asyncscribe.batch.journal.postgres import PostgresJournal

    order = job.order()
    # A problem with the database is reported once, before anything is started.
    async with PostgresJournal(job.membership.dsn):
        pass
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(connected(address, workers))
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"there is no Ray cluster at {address}: {error}", code=Exit.FAILED) from None
        journal = await stack.enter_async_context(PostgresJournal(job.membership.dsn, read_only=True))
        crowd = RayWorkers(order, [*map(_absolute, job.sources)], job.membership.name or "ray", workers)
        try:
            counts = await _watch(crowd, journal, stack.enter_context(_Progress(as_json=as_json, quiet=quiet)))
        except asyncio.CancelledError:
            await _stop(crowd)
            raise
        return _conclude(crowd.ended, counts, job.output, as_json=as_json)


async def _watch(crowd: RayWorkers, journal: PostgresJournal, progress: _Progress) -> Counter[SavedState | None]:
    """Show the counts until all workers have ended; return the last ones."""
    counts: Counter[SavedState | None] = Counter()
    while True:
        is_over = not crowd.look()
        begun = anyio.current_time()
        # While the database is away, the last counts are kept.
        with anyio.move_on_after(PATIENCE), suppress(JournalError):
            counts = await journal.counts()
            progress.show(counts, len(await journal.alive()), crowd.count)
        if is_over:
            return counts
        await anyio.sleep(max(POLL, REST * (anyio.current_time() - begun)))


async def _stop(crowd: RayWorkers) -> None:
    """Let the workers finish what they have begun. A second Ctrl-C does not wait for that."""
    from asyncscribe.batch.cluster.tether import GRACE

    crowd.cancel()
    echo_err("the workers end; everything is kept: the same command resumes from here")
    with anyio.CancelScope(shield=True), anyio.move_on_after(GRACE):
        while crowd.look():  # noqa: ASYNC110 - Ray has no event of ours
            await anyio.sleep(STEP)


def _conclude(ended: Sequence[Ended], counts: Counter[SavedState | None], output: str, *, as_json: bool) -> Exit:
    """Say how it ended."""
    code = _code([one.code for one in ended])
    done, failed = counts[SavedState.COMPLETED], counts[SavedState.FAILED]
    if as_json:
        content = {"done": done, "failed": failed, "left": counts.total() - done - failed}
        write_json({"type": "summary", **content, "stopped": code is Exit.STOPPED})
    else:
        echo_err(f"{done} done, {failed} failed; transcripts are in {printable(output)}")
    if failed:
        echo_err("  asyncscribe batch status --journal ... lists why; --retry-failed tries them again")
    if code is Exit.STOPPED:
        echo_err("  stopped at the allowance; the same command resumes with what is left")
    # Equal messages are shown once.
    said = {one.said.strip(): one.host for one in ended if one.code not in {Exit.DONE, Exit.STOPPED}}
    for text, host in said.items():
        echo_err(f"a worker{f' on {host}' if host else ''} said:")
        for line in text.splitlines():
            echo_err(f"  {printable(line)}")
    return code


def _code(codes: Sequence[int]) -> Exit:
    """The exit code of all. It is wrong usage only if all workers say so: one machine alone may be broken."""
    if all(code == Exit.USAGE for code in codes):
        return Exit.USAGE
    if Exit.STOPPED in codes:
        return Exit.STOPPED
    return Exit.DONE if set(codes) == {Exit.DONE} else Exit.FAILED


class _Progress:
    """Shows counts: on a terminal one line that changes, otherwise a line now and then, or JSON."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        console = Console(stderr=True)
        self._as_json = as_json
        self._quiet = quiet
        live = console.is_terminal and not as_json and not quiet
        self._live = console.status("the workers start") if live else None
        self._last: tuple[float, str] = (-LINES, "")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, counts: Counter[SavedState | None], alive: int, wanted: int) -> None:
        """Show how far it is.

        Args:
            counts: Recordings by step.
            alive: Workers in the journal, including those of other launchers.
            wanted: Workers that were started here.
        """
        if self._as_json:
            steps = Counter[str]()
            for step, number in counts.items():
                steps[status_of(step)] += number
            write_json({"type": "progress", "recordings": steps, "workers": alive})
            return
        done, failed = counts[SavedState.COMPLETED], counts[SavedState.FAILED]
        text = f"{done} of {counts.total()} done, {failed} failed, {counts[SavedState.SUBMITTED]} at the service; "
        text += f"{alive} workers" if alive >= wanted else f"{alive} of {wanted} workers"
        if self._live is not None:
            self._live.update(text)
        elif not self._quiet and text != self._last[1] and time.monotonic() > self._last[0] + LINES:
            self._last = (time.monotonic(), text)
            echo_err(text)


def _absolute(place: str) -> str:
    # A worker has another working folder.
    return place if is_url(place) or is_store(place) else os.path.abspath(place)  # noqa: PTH100

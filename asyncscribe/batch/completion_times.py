"""When jobs ended at the service. Only its list says so; the time from then on is our own delay."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

import anyio

from asyncscribe.api.protocol import LONGEST_PAGE
from asyncscribe.batch.journal.ledger import JournalLedger
from asyncscribe.client import AsyncClient
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import AsyncscribeError
from asyncscribe.logs import log
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId, TranscriptStatus

#: Pages that are read to find one page of jobs: other clients' jobs are listed as well.
PAGES = 2
#: Seconds that one read may take, so that it does not hold up the end of a run.
PATIENCE = 10.0


class CompletionTimes:
    """Reads the list once for as many ended jobs as a page has. For the record: missing times are left out.

    Args:
        client: Reads the list.
        tasks: Owns the task that reads, and may end it at any time.
    """

    def __init__(self, client: AsyncClient, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._ended: dict[TranscriptId, JournalLedger] = {}
        self._reading = False
        self._turn = anyio.Lock()

    def add(self, transcript_id: TranscriptId, ledger: JournalLedger) -> None:
        """A job that was submitted by this run has been transcribed."""
        self._ended[transcript_id] = ledger
        if len(self._ended) >= LONGEST_PAGE and not self._reading:
            self._reading = True
            self._tasks.start_soon(self.read)
        if len(self._ended) > 2 * LONGEST_PAGE:
            # The list is unavailable: the oldest are given up.
            del self._ended[next(iter(self._ended))]

    async def read(self) -> None:
        """Read the newest pages, and keep when the jobs on them ended. One read at a time."""
        async with self._turn:
            ended, self._ended = self._ended, {}
            try:
                with anyio.move_on_after(PATIENCE):
                    await self._find(ended)
            except AsyncscribeError as error:
                log.info("the end times of %d jobs are unknown: %s", len(ended), error)
            finally:
                self._reading = False

    async def _find(self, ended: dict[TranscriptId, JournalLedger]) -> None:
        if not ended:
            return
        left = PAGES * LONGEST_PAGE
        async with aclosing(self._client.list(status=TranscriptStatus.COMPLETED)) as listed:
            async for item in listed:
                left -= 1
                ledger = ended.pop(item.id, None)
                if ledger is not None and (moment := ended_at(item, ledger.times)) is not None:
                    await ledger.ended(moment)
                if not ended or not left:
                    return


def ended_at(item: ListItem, times: Mapping[str, float]) -> float | None:
    """When a job ended, by our own clock.

    The service created it when our submission was answered, give or take the answer's latency. The time from then on is
    measured by its clock alone, so the two clocks are never compared.

    Args:
        item: What the list says.
        times: Unix seconds at which the job entered each state.
    """
    begun = times.get("submitting")
    answers = [times[state] for state in ("queued", "processing") if begun is not None and times.get(state, 0) >= begun]
    if item.created is None or item.completed is None or not answers or "completed" not in times:
        return None
    ended = min(answers) + (item.completed - item.created).total_seconds()
    return min(ended, times["completed"])

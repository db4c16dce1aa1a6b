"""What a run would do. Sends nothing, writes nothing, and can look on while a batch runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from asyncscribe.batch.finding import Find, known, look_at_item, presence
from asyncscribe.batch.inputs.discovery import Discovery, Item, Unreadable
from asyncscribe.batch.inputs.identity import fingerprint, identity_of
from asyncscribe.batch.inputs.probing import Length, length_of
from asyncscribe.batch.journal.records import Entry, Journal, Recording
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.batch.outputs import FolderOutputs, Format
from asyncscribe.batch.planning import Plan, is_paid, plan
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.sources import name_of

#: Files that are probed at once.
PROBES = 8


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a run would do about a recording.

    Attributes:
        item: The recording, with the name that it has in the output folder, or would have if that is free.
        plan: What would be done.
        length: How much audio it has; None if that is not known, or does not matter.
        paid: Whether it was submitted already, so that it would be waited for and not paid again.
        usable: Whether there is anything to send.
    """

    item: Item
    plan: Plan
    length: Length | None
    paid: bool
    usable: bool = True


class Survey:
    """Looks at recordings as a run of `Batch` would.

    Files that were not seen before are not read, so that two with the same content count as two.

    Args:
        output: The output folder; it need not exist.
        journal: What is known of the batch, open to look; None if there is nothing yet.
        service: The service that the run would be at.
        formats: What would be written.
        config: What the service would be asked to do.
        retry_failed: Whether what failed for good would be tried again.

    Attributes:
        unreadable: Places of which nothing would be taken.
    """

    def __init__(
        self,
        output: str | Path,
        journal: Journal | None,
        service: str,
        *,
        formats: Sequence[Format | str] = (Format.JSON,),
        config: TranscriptionConfig | None = None,
        retry_failed: bool = False,
    ) -> None:
        self._output = Path(output)
        self._journal = journal
        self._service = service
        self._outputs = FolderOutputs(self._output, formats)
        config = config or TranscriptionConfig()
        self._config = fingerprint(config)
        self._each_channel = config.multichannel
        self._retry_failed = retry_failed
        self.unreadable: list[Unreadable] = []

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[Prospect, None]:
        """What a run would do about each recording, and how long the new ones are.

        Raises:
            JournalError: The journal can't be read; `JournalLost` if a transcript is there that it knows nothing of.
        """
        discovery = Discovery(sources, self._output)
        self.unreadable = discovery.unreadable
        probes = anyio.CapacityLimiter(PROBES)
        async for items in discovery.chunks():
            prospects = [self._prospect(find) for find in await self._finds(items)]
            async with anyio.create_task_group() as group:
                for number, prospect in enumerate(prospects):
                    if _has_to_be_measured(prospect):
                        group.start_soon(_measure, prospects, number, probes)
            for prospect in prospects:
                yield prospect

    async def _finds(self, items: Sequence[Item]) -> list[Find]:
        identities = [identity_of(item.source) for item in items]
        entries = await self._journal.entries(identities) if self._journal is not None else {}
        some = [
            entries.get(identity) or Entry(Recording(identity, item.name, name_of(item.source)), None)
            for item, identity in zip(items, identities, strict=True)
        ]
        return await asyncio.get_running_loop().run_in_executor(None, self._look, items, some)

    def _look(self, items: Sequence[Item], entries: Sequence[Entry]) -> list[Find]:
        there = presence(self._outputs, entries, self._output / JOURNAL_NAME)
        return [
            known(item, entry, look_at_item(item), present, self._service, self._config)
            for item, entry, present in zip(items, entries, there, strict=True)
        ]

    def _prospect(self, find: Find) -> Prospect:
        job = find.job
        seconds = find.recording.seconds
        # What was measured for an earlier run is seconds alone.
        length = None if seconds is None or self._each_channel else Length(seconds)
        item = replace(find.item, name=find.name)
        if job is None:
            usable = find.look is not None or not isinstance(find.item.source, Path)
            return Prospect(item, Plan.WORK, length, paid=False, usable=usable)
        what = plan(
            job,
            formats=self._outputs.formats,
            there=find.there,
            files=find.files,
            retry_failed=self._retry_failed,
        )
        return Prospect(item, what, length, paid=is_paid(job) and what is Plan.WORK)


def _has_to_be_measured(prospect: Prospect) -> bool:
    begins = prospect.plan in {Plan.WORK, Plan.BEGIN_AGAIN} and not prospect.paid and prospect.usable
    return begins and prospect.length is None and isinstance(prospect.item.source, Path)


async def _measure(prospects: list[Prospect], number: int, probes: anyio.CapacityLimiter) -> None:
    prospect = prospects[number]
    async with probes:
        length = await length_of(Path(str(prospect.item.source)))
    prospects[number] = replace(prospect, length=length)

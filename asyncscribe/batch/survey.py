"""What a run would do. Sends nothing, writes nothing, and can run beside a batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from asyncscribe.batch.finding import Candidate, known, presence, stamp_of_item
from asyncscribe.batch.inputs.discovery import BatchItem, Discovery, Unreadable
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
class Forecast:
    """What a run would do about a recording.

    Attributes:
        item: The recording, with its name in the output folder, or the one it would get if that is free.
        plan: What would be done.
        length: How much audio it has; None if unknown or irrelevant.
        paid: Whether it was submitted already, so that it would be waited for and not paid again.
        usable: Whether there is anything to send.
    """

    item: BatchItem
    plan: Plan
    length: Length | None
    paid: bool
    usable: bool = True


class Survey:
    """Plans as a run of `Batch` would.

    New files are not read, so two with the same content count as two.

    Args:
        output: The output folder; it need not exist.
        journal: The journal of the batch, open; may be read-only. None if there is none yet.
        service: The service of the run.
        formats: What would be written.
        config: What the service would be asked to do.
        retry_failed: Whether jobs that failed for good would be tried again.

    Attributes:
        unreadable: Places from which nothing would be taken.
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

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[Forecast, None]:
        """What a run would do about each recording, and how long the new ones are.

        Raises:
            JournalError: The journal can't be read; `JournalLost` if a transcript exists that it does not know.
        """
        discovery = Discovery(sources, self._output)
        self.unreadable = discovery.unreadable
        probes = anyio.CapacityLimiter(PROBES)
        async for items in discovery.chunks():
            forecasts = [self._forecast(find) for find in await self._finds(items)]
            async with anyio.create_task_group() as group:
                for number, forecast in enumerate(forecasts):
                    if _has_to_be_measured(forecast):
                        group.start_soon(_measure, forecasts, number, probes)
            for forecast in forecasts:
                yield forecast

    async def _finds(self, items: Sequence[BatchItem]) -> list[Candidate]:
        identities = [identity_of(item.source) for item in items]
        entries = await self._journal.entries(identities) if self._journal is not None else {}
        some = [
            entries.get(identity) or Entry(Recording(identity, item.name, name_of(item.source)), None)
            for item, identity in zip(items, identities, strict=True)
        ]
        return await asyncio.get_running_loop().run_in_executor(None, self._look, items, some)

    def _look(self, items: Sequence[BatchItem], entries: Sequence[Entry]) -> list[Candidate]:
        outputs_exist = presence(self._outputs, entries, self._output / JOURNAL_NAME)
        return [
            known(item, entry, stamp_of_item(item), present, self._service, self._config)
            for item, entry, present in zip(items, entries, outputs_exist, strict=True)
        ]

    def _forecast(self, find: Candidate) -> Forecast:
        job = find.job
        seconds = find.recording.seconds
        # An earlier run kept the seconds only, not the channels.
        length = None if seconds is None or self._each_channel else Length(seconds)
        item = replace(find.item, name=find.name)
        if job is None:
            usable = find.stamp is not None or not isinstance(find.item.source, Path)
            return Forecast(item, Plan.WORK, length, paid=False, usable=usable)
        what = plan(
            job,
            formats=self._outputs.formats,
            outputs_exist=find.outputs_exist,
            files=find.files,
            retry_failed=self._retry_failed,
        )
        return Forecast(item, what, length, paid=is_paid(job) and what is Plan.WORK)


def _has_to_be_measured(forecast: Forecast) -> bool:
    begins = forecast.plan in {Plan.WORK, Plan.BEGIN_AGAIN} and not forecast.paid and forecast.usable
    return begins and forecast.length is None and isinstance(forecast.item.source, Path)


async def _measure(forecasts: list[Forecast], number: int, probes: anyio.CapacityLimiter) -> None:
    forecast = forecasts[number]
    async with probes:
        length = await length_of(Path(str(forecast.item.source)))
    forecasts[number] = replace(forecast, length=length)

"""`asyncscribe batch --dry-run`: what a run would do."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from asyncscribe.batch import Forecast, Format, Journal, Plan, Survey
from asyncscribe.batch.inputs.probing import can_probe
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.batch.report.pricing import PRICES_OF, price_per_hour
from asyncscribe.cli.batch.journals import journal_of
from asyncscribe.cli.display.rendering import encodable, figure, printable, write_json
from asyncscribe.cli.exits import Exit, echo_err
from asyncscribe.models.config import TranscriptionConfig


async def look(
    sources: Sequence[str],
    output: str,
    shared: str | None,
    service: str,
    formats: Sequence[Format],
    config: TranscriptionConfig,
    *,
    retry_failed: bool,
    as_json: bool,
) -> Exit:
    """Say what a run would do. Writes nothing, and needs no key."""
    async with AsyncExitStack() as stack:
        journal: Journal | None = None
        if shared is not None or (Path(output) / JOURNAL_NAME).exists():
            journal = await stack.enter_async_context(journal_of(Path(output), shared))
        survey = Survey(output, journal, service, formats=formats, config=config, retry_failed=retry_failed)
        counts, seconds = Counter[str](), 0.0
        async with aclosing(survey.run(sources)) as forecasts:
            async for forecast in forecasts:
                kind = _kind(forecast)
                counts[kind] += 1
                if kind == "new":
                    counts["unknown"] += forecast.length is None
                    if forecast.length is not None:
                        seconds += forecast.length.billed(each_channel=config.multichannel)
                if kind in {"new", "unusable"} and not as_json:
                    sys.stdout.write(f"{printable(forecast.item.name)} ({_about(forecast)})\n")
    price = seconds / 3600 * price_per_hour(config)
    figures = {name: counts[name] for name in ("new", "submitted", "done", "left", "unusable", "unknown")}
    if as_json:
        write_json(
            {
                "type": "survey",
                **figures,
                "unreadable": [encodable(str(one.path)) for one in survey.unreadable],
                "audio_hours": round(seconds / 3600, 4),
                "usd": round(price, 4),
            }
        )
    else:
        _echo_summary(figures, seconds, price)
        for one in survey.unreadable:
            echo_err(f"  {printable(str(one.path))}: {one.problem}")
    return Exit.FAILED if survey.unreadable else Exit.DONE


def _kind(forecast: Forecast) -> str:
    if forecast.plan is Plan.NOTHING:
        return "done"
    if forecast.plan is Plan.LEAVE:
        return "left"
    if forecast.paid:
        return "submitted"
    return "new" if forecast.usable else "unusable"


def _about(forecast: Forecast) -> str:
    if not forecast.usable:
        return "missing, empty or no file"
    if forecast.length is None:
        return "length unknown"
    channels = f", {forecast.length.channels} channels" if forecast.length.channels > 1 else ""
    return f"{forecast.length.seconds:.1f} s{channels}"


def _echo_summary(figures: dict[str, int], seconds: float, price: float) -> None:
    echo_err(
        f"{figures['new']} would be submitted, {figures['submitted']} waited for; {figures['done']} are done, "
        f"{figures['left']} failed earlier and are left alone"
    )
    if figures["unusable"]:
        echo_err(f"{figures['unusable']} can't be sent: they are missing, empty, or no files")
    unknown = f", and {figures['unknown']} of unknown length" if figures["unknown"] else ""
    usd = f"{figure(price)} USD by list price of {PRICES_OF:%Y-%m}, no extras"
    echo_err(f"{figure(seconds / 3600)} hours of audio{unknown}: {usd}")
    if not can_probe():
        echo_err("hint: pip install 'asyncscribe[probe]' to know the lengths of files")

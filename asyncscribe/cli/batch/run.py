"""`asyncscribe batch`: folders in, a folder of transcripts out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from glob import has_magic
from pathlib import Path
from typing import Annotated

import anyio
import typer

from asyncscribe.batch import Batch, Format, Plan
from asyncscribe.batch.inputs.discovery import is_url
from asyncscribe.batch.inputs.probing import can_probe
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.batch.report.pricing import PRICES_OF, price_per_hour
from asyncscribe.cli.batch.conclusion import Failures, conclude
from asyncscribe.cli.connection import connect
from asyncscribe.cli.display.live import choose
from asyncscribe.cli.display.rendering import Display, figure, printable, write_json
from asyncscribe.cli.display.tally import Tally
from asyncscribe.cli.exits import Exit, UserError, run, tell
from asyncscribe.cli.options import (
    BaseUrl,
    Concurrency,
    ConfigFile,
    Features,
    Keyterms,
    Language,
    Local,
    Models,
    Multichannel,
    Options,
    Redact,
    Speakers,
)
from asyncscribe.engine.tasks import Tasks
from asyncscribe.models.config import TranscriptionConfig

#: Seconds in which the recordings are counted before the first is begun; after that, while it runs.
COUNT_FIRST = 1.0


def batch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders (walked recursively for audio and video), files, URLs, and s3://, gs:// and az:// prefixes; "
            "- reads them from stdin.",
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-O", metavar="DIR", help="Where the transcripts go; made if it is missing.")
    ],
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", "-f", help="What is written for each recording [default: json]. Can be repeated."),
    ] = None,
    speakers: Speakers = False,
    language: Language = None,
    models: Models = None,
    keyterms: Keyterms = None,
    redact: Redact = None,
    multichannel: Multichannel = False,
    config: ConfigFile = None,
    options: Options = None,
    concurrency: Concurrency = None,
    local: Local = False,
    base_url: BaseUrl = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed for good in an earlier run.")
    ] = False,
    max_hours: Annotated[
        float | None,
        typer.Option(
            "--max-hours", min=0.0, metavar="H", help="Submit no more after so many hours of audio (exit code 3)."
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost", min=0.0, metavar="USD", help="The same by list price, without extras (exit code 3)."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing: say what would be sent, how long it is, and its list price."),
    ] = False,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="Also the sources in this file, one a line; - is stdin."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event to stdout, a JSON object a line.")] = False,
    print_text: Annotated[bool, typer.Option("--print", help="Also print each text to stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress; failures are still listed.")] = False,
) -> None:
    """Transcribe folders of recordings into files: DIR/<relative path with its suffix>.<format>.

    A failing recording stops nothing; failures are listed at the end. Whatever ends it, the same command goes on where
    it ended: what is done is skipped, what was submitted is waited for and not paid again. The API key is read from
    ASSEMBLYAI_API_KEY or from a file named .env. Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 stopped by
    --max-hours or --max-cost, 130 interrupted.
    """
    if as_json and print_text:
        raise typer.BadParameter("--json and --print contradict one another: both write to stdout")
    if output.exists() and not output.is_dir():
        raise typer.BadParameter(f"{output} is a file; give a folder", param_hint="--output")
    display = choose(as_json=as_json, quiet=quiet)
    forms = formats or [Format.JSON]
    features = Features(
        options or (), config, speakers, language, models or (), keyterms or (), redact or (), multichannel
    )

    async def work() -> Exit:
        wanted = features.configuration()
        given = list(named(sources or (), from_file))
        _require_some(given, output)
        hours = _hours(max_hours, max_cost, wanted)
        async with (
            connect(
                local=local, base_url=base_url, concurrency=concurrency, on_event=display.event, sends=not dry_run
            ) as client,
            Batch(
                client,
                output,
                formats=forms,
                config=wanted,
                retry_failed=retry_failed,
                max_hours=hours,
                ephemeral=local,
            ) as batch,
        ):
            display.tally.limit = client.stats.jobs.limit
            if dry_run:
                return await _survey(batch, given, wanted, as_json=as_json)
            try:
                failures = await _follow(batch, given, display, print_text)
            except asyncio.CancelledError:
                tell(f"{display.tally.done} done; everything is kept: the same command goes on from here")
                raise
            return conclude(display, batch, failures, output)

    run(work)


async def _survey(batch: Batch, sources: Sequence[str], config: TranscriptionConfig, *, as_json: bool) -> Exit:
    """Say what a run would do."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    async with aclosing(batch.survey(sources)) as prospects:
        async for prospect in prospects:
            if prospect.plan not in {Plan.WORK, Plan.BEGIN_AGAIN}:
                counts["done" if prospect.plan is Plan.NOTHING else "left"] += 1
                continue
            if not prospect.usable:
                counts["unusable"] += 1
                if not as_json:
                    sys.stdout.write(f"{printable(prospect.item.name)} (missing, empty or no file)\n")
                continue
            counts["waiting" if prospect.submitted and prospect.plan is Plan.WORK else "new"] += 1
            if prospect.submitted and prospect.plan is Plan.WORK:
                continue
            counts["unknown"] += prospect.seconds is None
            seconds += prospect.seconds or 0.0
            if not as_json:
                length = "length unknown" if prospect.seconds is None else f"{prospect.seconds:.1f} s"
                sys.stdout.write(f"{printable(prospect.item.name)} ({length})\n")
    price = seconds / 3600 * price_per_hour(config)
    figures = {name: counts[name] for name in ("new", "waiting", "done", "left", "unusable", "unknown")}
    if as_json:
        write_json({"type": "survey", **figures, "audio_hours": round(seconds / 3600, 4), "usd": round(price, 4)})
        return Exit.DONE
    tell(
        f"{figures['new']} would be submitted, {figures['waiting']} waited for; {figures['done']} are done, "
        f"{figures['left']} failed earlier and are left alone"
    )
    if figures["unusable"]:
        tell(f"{figures['unusable']} can't be sent: they are missing, empty, or no files")
    unknown = f", and {figures['unknown']} of unknown length" if figures["unknown"] else ""
    usd = f"{figure(price)} USD by list price of {PRICES_OF:%Y-%m}, no extras"
    tell(f"{figure(seconds / 3600)} hours of audio{unknown}: {usd}")
    if not can_probe():
        tell("hint: pip install 'asyncscribe[probe]' tells the lengths of files")
    return Exit.DONE


def named(sources: Sequence[str], from_file: Path | None) -> Iterator[str]:
    """The sources of the command line, and those that a file or stdin names, one a line.

    Raises:
        UserError: There are none, or the file can't be read.
    """
    some = False
    for source in [*sources, *([] if from_file is None else [None])]:
        if source == "-" or (source is None and str(from_file) == "-"):
            lines: Iterable[str] = sys.stdin
        elif source is None and from_file is not None:
            try:
                lines = from_file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            except OSError as error:
                raise UserError(f"{from_file} can't be read: {error.strerror}") from error
        else:
            lines = [source or ""]
        for line in lines:
            if text := line.rstrip("\r\n") if lines is not sys.stdin else line.strip():
                some = True
                yield text
    if not some:
        raise UserError("nothing to transcribe is named", "give folders, files or URLs")


def _require_some(sources: Sequence[str], output: Path) -> None:
    """Catch a misspelt folder before anything is made for it. Of a batch that was begun, sources may be gone by now.

    Raises:
        UserError: None of the sources exists.
    """
    if (output / JOURNAL_NAME).exists():
        return
    for source in sources:
        if is_url(source) or is_store(source) or has_magic(source) or os.path.lexists(source):
            return
    raise UserError(f"there is no {printable(sources[0])}{' nor any other source' if len(sources) > 1 else ''}")


def _hours(hours: float | None, cost: float | None, config: TranscriptionConfig) -> float | None:
    limits = [hours, None if cost is None else cost / price_per_hour(config)]
    return min((limit for limit in limits if limit is not None), default=None)


async def _follow(batch: Batch, sources: Sequence[str], display: Display, print_text: bool) -> Failures:
    """Run the batch to its end, or to an error that every recording would meet; return the failures."""
    failures = Failures()
    tally = display.tally
    tally.known_before = lambda: batch.skipped + batch.left
    with display:
        async with Tasks() as tasks:
            counted = anyio.Event()
            tasks.start_soon(_count, batch, sources, tally, counted)
            with anyio.move_on_after(COUNT_FIRST):
                await counted.wait()
            async with aclosing(batch.run(sources)) as outcomes:
                async for outcome in outcomes:
                    display.finished(outcome)
                    if outcome.error is not None:
                        failures.add(outcome)
                    if print_text and outcome.transcript is not None:
                        display.text(f"{printable(outcome.item.name)}: {outcome.transcript.text or ''}")
    return failures


async def _count(batch: Batch, sources: Sequence[str], tally: Tally, counted: anyio.Event) -> None:
    tally.total = await batch.count(sources)
    counted.set()

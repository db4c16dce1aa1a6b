"""`asyncscribe batch`: folders in, a folder of transcripts out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from asyncscribe.batch import Batch, Format
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.migration import EMBEDDED
from asyncscribe.batch.report.pricing import price_per_hour
from asyncscribe.cli.batch.cluster import take_part
from asyncscribe.cli.batch.conclusion import Failures, conclude
from asyncscribe.cli.batch.journals import Membership, SharedJournal
from asyncscribe.cli.batch.launching import Job, launch
from asyncscribe.cli.batch.sources import named, require_some
from asyncscribe.cli.batch.survey import look
from asyncscribe.cli.connection import address, connect
from asyncscribe.cli.display.live import choose
from asyncscribe.cli.display.rendering import Display, printable
from asyncscribe.cli.display.tally import Tally
from asyncscribe.cli.exits import Exit, echo_err, run
from asyncscribe.cli.options import (
    BaseUrl,
    Concurrency,
    ConfigFile,
    Features,
    FromFile,
    Keyterms,
    Language,
    Local,
    Models,
    Multichannel,
    Options,
    Redact,
    Speakers,
    place,
)
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import AsyncscribeError
from asyncscribe.models.config import TranscriptionConfig

#: Seconds in which the recordings are counted before the first is begun; then the count continues while it runs.
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
        str,
        typer.Option(
            "--output",
            "-O",
            metavar="DIR",
            parser=place,
            help="Where the transcripts go, made if it is missing; with --journal also s3://, gs:// or az://.",
        ),
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
        bool, typer.Option("--retry-failed", help="Retry recordings that failed for good in an earlier run.")
    ] = False,
    max_hours: Annotated[
        float | None,
        typer.Option(
            "--max-hours", min=0.0, metavar="H", help="Pay for no more hours of audio in this run (exit code 3)."
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
    from_file: FromFile = None,
    journal: SharedJournal = None,
    worker: Annotated[
        str | None, typer.Option("--worker", metavar="NAME", help="With --journal: the name of this process.")
    ] = None,
    shared_files: Annotated[
        bool, typer.Option("--shared-files", help="With --journal: local paths are the same files on all machines.")
    ] = False,
    run_name: Annotated[
        str | None,
        typer.Option("--run", metavar="NAME", help="With --journal: --max-hours is for all that name the same run."),
    ] = None,
    lease: Annotated[
        float,
        typer.Option(
            "--lease", min=1.0, metavar="S", help="With --journal: seconds of silence after which others take over."
        ),
    ] = 30.0,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="With --journal: run the workers on a Ray cluster, which restarts them; its address, auto for the one "
            "of this machine, or local.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="With --ray: how many. [default: one for each node]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event to stdout, a JSON object a line.")] = False,
    print_text: Annotated[bool, typer.Option("--print", help="Also print each text to stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress; failures are still listed.")] = False,
) -> None:
    """Transcribe folders of recordings into files: DIR/<relative path with its suffix>.<format>.

    A failing recording stops nothing; failures are listed at the end. Whatever ends it, the same command resumes where
    it stopped: what is done is skipped, what was submitted is waited for and not paid again. The API key is read from
    ASSEMBLYAI_API_KEY or from a file named .env. Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 stopped by
    --max-hours or --max-cost, 130 interrupted.
    """
    if as_json and print_text:
        raise typer.BadParameter("--json and --print contradict one another: both write to stdout")
    _check_places(output, journal, local=local)
    _check_ray(ray, workers, journal, print_text=print_text)
    display = choose(as_json=as_json, quiet=quiet)
    forms = formats or [Format.JSON]
    features = Features(
        options or (), config, speakers, language, models or (), keyterms or (), redact or (), multichannel
    )

    async def work() -> Exit:
        wanted = features.configuration()
        given = list(named(sources or (), from_file))
        if journal is None:
            require_some(given, Path(output))
        hours = _hours(max_hours, max_cost, wanted)
        if dry_run:
            service = EMBEDDED if local else address(base_url)
            return await look(
                given, output, journal, service, forms, wanted, retry_failed=retry_failed, as_json=as_json
            )
        if ray is not None and journal is not None:
            membership = Membership(journal, worker, shared_files, run_name, lease)
            job = Job(given, output, forms, wanted, membership, base_url, concurrency, hours, retry_failed)
            return await launch(job, ray, workers, as_json=as_json, quiet=quiet)
        async with connect(local=local, base_url=base_url, concurrency=concurrency, on_event=display.event) as client:
            display.tally.limit = client.stats.jobs.limit
            make = partial(
                Batch,
                client,
                output,
                formats=forms,
                config=wanted,
                retry_failed=retry_failed,
                max_hours=hours,
                ephemeral=local,
            )
            follow = partial(_follow, sources=given, display=display, print_text=print_text)
            try:
                if journal is None:
                    async with make() as batch:
                        failures = await follow(batch)
                else:
                    membership = Membership(journal, worker, shared_files, run_name, lease)
                    batch, failures = await take_part(membership, make, follow, hours)
            except asyncio.CancelledError:
                echo_err(f"{display.tally.done} done; everything is kept: the same command resumes from here")
                raise
            return conclude(display, batch, failures, output)

    run(work)


def _check_places(output: str, journal: str | None, *, local: bool) -> None:
    if is_store(output) and journal is None:
        raise typer.BadParameter("an object store can't hold the journal; name one by --journal", param_hint="--output")
    if not is_store(output) and Path(output).exists() and not Path(output).is_dir():
        raise typer.BadParameter(f"{output} is a file; give a folder", param_hint="--output")
    if journal is not None and local:
        raise typer.BadParameter("--local ends with this process: start `asyncscribe serve`, and name it by --base-url")


def _check_ray(address: str | None, workers: int | None, journal: str | None, *, print_text: bool) -> None:
    if workers is not None and address is None:
        raise typer.BadParameter("it says how many --ray starts", param_hint="--workers")
    if address is not None and journal is None:
        raise typer.BadParameter("workers on many machines need a journal that they share: --journal postgresql://...")
    if address is not None and print_text:
        raise typer.BadParameter("--print and --ray contradict one another: the texts are with the workers")


def _hours(hours: float | None, cost: float | None, config: TranscriptionConfig) -> float | None:
    limits = [hours, None if cost is None else cost / price_per_hour(config)]
    return min((limit for limit in limits if limit is not None), default=None)


async def _follow(batch: Batch, sources: Sequence[str], display: Display, print_text: bool) -> Failures:
    """Run the batch to its end, or to an error that every recording would meet; return the failures."""
    failures = Failures()
    unread: list[OSError] = []
    tally = display.tally
    tally.known_before = lambda: batch.skipped + batch.left

    def stop(error: OSError) -> None:
        # The reader has gone: nothing more is submitted, and running jobs are left to the next run.
        unread.append(error)
        batch.stop()
        scope.cancel()

    display.on_unread = stop
    with anyio.CancelScope() as scope, display:
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
    if unread:
        raise unread[0]
    return failures


async def _count(batch: Batch, sources: Sequence[str], tally: Tally, counted: anyio.Event) -> None:
    try:
        tally.total = await batch.count(sources)
    except AsyncscribeError:
        # The run meets the same error, and reports it.
        return
    finally:
        counted.set()

"""`asyncscribe batch`: folders in, a folder of transcripts out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from asyncscribe.batch import Batch, BatchOutcome, Format
from asyncscribe.cli.connection import connect
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
from asyncscribe.cli.rendering import Display, Ndjson, choose, printable, reason, write_json
from asyncscribe.errors import AccountError


def batch(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders (walked recursively for audio and video), files and URLs."),
    ],
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
    as_json: Annotated[bool, typer.Option("--json", help="Print every event to stdout, a JSON object a line.")] = False,
    print_text: Annotated[bool, typer.Option("--print", help="Also print each text to stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress; failures are still listed.")] = False,
) -> None:
    """Transcribe folders of recordings into files: DIR/<relative path with its suffix>.<format>.

    A failing recording stops nothing; failures are listed at the end. The API key is read from ASSEMBLYAI_API_KEY or
    from a file named .env. Exit codes: 0 all done, 1 some failed, 2 wrong usage, 130 interrupted.
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
        async with (
            connect(local=local, base_url=base_url, concurrency=concurrency, on_event=display.event) as client,
            Batch(client, output, formats=forms, config=wanted) as batch,
        ):
            failures = await _follow(batch, sources, display, print_text)
            return _conclude(display, batch, failures, output)

    run(work)


async def _follow(batch: Batch, sources: Sequence[str], display: Display, print_text: bool) -> list[BatchOutcome]:
    """Run the batch to its end, or to an error that every recording would meet; return the failures."""
    failures: list[BatchOutcome] = []
    with display:
        display.tally.total = await batch.count(sources)
        async with aclosing(batch.run(sources)) as outcomes:
            async for outcome in outcomes:
                display.finished(outcome)
                if outcome.error is not None:
                    failures.append(outcome)
                if isinstance(outcome.error, AccountError):
                    # Every further one would fail alike; what runs is paid for and ends.
                    batch.stop()
                if print_text and outcome.transcript is not None:
                    display.text(f"{printable(outcome.item.name)}: {outcome.transcript.text or ''}")
    return failures


def _conclude(display: Display, batch: Batch, failures: Sequence[BatchOutcome], output: Path) -> Exit:
    tally = display.tally
    if isinstance(display, Ndjson):
        write_json({"type": "summary", "done": tally.done, "failed": tally.failed})
    else:
        tell(f"{tally.done} done, {tally.failed} failed; transcripts are in {printable(str(output))}")
        for outcome in failures:
            tell(f"  {printable(outcome.item.name)}: {reason(outcome)}")
        for unreadable in batch.unreadable:
            tell(f"  {printable(str(unreadable.path))}: can't be read: {unreadable.problem}")
    for outcome in failures:
        if isinstance(outcome.error, AccountError):
            raise outcome.error
    if not tally.done and not failures and not batch.unreadable:
        raise UserError("there is no audio or video in what was given", code=Exit.FAILED)
    return Exit.FAILED if failures or batch.unreadable else Exit.DONE

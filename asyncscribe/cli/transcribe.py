"""`asyncscribe transcribe`: sources in, transcripts on stdout."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import anyio
import typer

from asyncscribe.batch.outputs import Format, render
from asyncscribe.cli.connection import connect
from asyncscribe.cli.display.rendering import printable
from asyncscribe.cli.exits import Exit, UserError, echo_err, run
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
from asyncscribe.errors import AccountError
from asyncscribe.events import Event, StateChanged
from asyncscribe.files import write_atomically
from asyncscribe.lifecycle import JobState
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript
from asyncscribe.sources import Source, name_of


class PrintedFormat(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def transcribe(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Files or URLs; - reads one recording from stdin.")
    ],
    form: Annotated[
        PrintedFormat, typer.Option("--format", "-f", help="What is printed; json is one document a line.")
    ] = PrintedFormat.TEXT,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-O", metavar="FILE", help="Write to a file, whole or not at all [default: stdout]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    speakers: Speakers = False,
    language: Language = None,
    models: Models = None,
    keyterms: Keyterms = None,
    redact: Redact = None,
    multichannel: Multichannel = False,
    config: ConfigFile = None,
    options: Options = None,
    local: Local = False,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
) -> None:
    """Transcribe recordings and print the transcripts to stdout, in the order of the arguments.

    The API key is read from ASSEMBLYAI_API_KEY or from a file named .env. Exit codes: 0 all done, 1 some failed,
    2 wrong usage, 130 interrupted.
    """
    features = Features(
        options or (), config, speakers, language, models or (), keyterms or (), redact or (), multichannel
    )
    form = PrintedFormat.JSON if as_json else form
    if output is not None and output.is_dir():
        raise typer.BadParameter(f"{output} is a folder; asyncscribe batch writes into one", param_hint="--output")

    async def work() -> Exit:
        written = io.StringIO()
        file = sys.stdout if output is None else written
        code = await _transcribe(sources, form, features.configuration(), local, base_url, concurrency, file)
        if output is not None and (text := written.getvalue()):
            try:
                write_atomically(output, text)
            except OSError as error:
                # It is paid for, so it is printed instead of lost.
                sys.stdout.write(text)
                raise UserError(f"--output {output}: {error.strerror or error}", code=Exit.FAILED) from None
        return code

    run(work)


async def _transcribe(
    sources: list[str],
    form: PrintedFormat,
    config: TranscriptionConfig,
    local: bool,
    base_url: str | None,
    concurrency: int | None,
    file: TextIO,
) -> Exit:
    if len(sources) > 1 and form in {PrintedFormat.SRT, PrintedFormat.VTT}:
        raise UserError(
            f"--format {form} prints one recording at a time", f"asyncscribe batch ... --format {form} writes many"
        )
    failed = 0
    refused: AccountError | None = None
    on_event = None if local else _report_abandoned
    async with connect(local=local, base_url=base_url, concurrency=concurrency, on_event=on_event) as client:

        def opened() -> Iterator[Source]:
            for source in sources:
                # Every further one would fail the same way; running jobs are paid for, and end.
                if refused is not None:
                    return
                yield _stdin() if source == "-" else source

        async with aclosing(client.transcribe_many(opened(), config, ordered=True)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome.error, AccountError):
                    refused = outcome.error
                elif outcome.transcript is None:
                    failed += 1
                    name = "-" if sources[outcome.index] == "-" else name_of(outcome.source)
                    text = printable(str(outcome.error))
                    echo_err(f"error: {text}" if text.startswith(name) else f"error: {name}: {text}")
                else:
                    _print(file, outcome.transcript, form, sources[outcome.index] if len(sources) > 1 else None)
    if refused is not None:
        raise refused
    return Exit.FAILED if failed else Exit.DONE


def _report_abandoned(event: Event) -> None:
    """Name a job that runs on at the service after an interrupt: it is paid for."""
    if isinstance(event, StateChanged) and event.state is JobState.ABANDONED and event.transcript_id is not None:
        echo_err(f"{printable(event.source)} still runs at the service: asyncscribe get {event.transcript_id} --wait")


def _stdin() -> Source:
    async def content() -> AsyncIterator[bytes]:
        # anyio reads a binary file in a thread; aiofiles would close stdin.
        file = anyio.wrap_file(sys.stdin.buffer)
        while chunk := await file.read1(1024 * 1024):
            yield chunk

    return content()


def _print(file: TextIO, transcript: Transcript, form: PrintedFormat, name: str | None) -> None:
    if form is PrintedFormat.JSON:
        content = json.dumps(transcript.document, ensure_ascii=False) + "\n"
    else:
        content = render(transcript, Format(form.value))
        if name is not None:
            content = f"{printable(name)}: {content}"
    file.write(content)
    file.flush()

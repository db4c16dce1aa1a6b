"""The commands, put together."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Annotated

import typer

from asyncscribe.cli import doctor, serve, transcribe, transcripts
from asyncscribe.cli.batch import cluster, results
from asyncscribe.cli.batch import run as batch
from asyncscribe.cli.batch.groups import DefaultCommandGroup
from asyncscribe.version import __version__

app = typer.Typer(
    name="asyncscribe",
    help="Transcribe recordings with AssemblyAI's API, one or thousands at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: pasted, piped and wrapped well
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(transcribe.transcribe)
batch_app = typer.Typer(
    cls=DefaultCommandGroup,
    help="Transcribe folders of recordings into files, and show the results.\n\n"
    "`batch SOURCE... --output DIR` is short for `batch run`; a folder that is named like a command is `./NAME`.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
batch_app.command("run")(batch.batch)
batch_app.command()(results.status)
batch_app.command()(results.export)
batch_app.command()(results.report)
batch_app.command()(results.recover)
batch_app.command()(cluster.workers)
app.add_typer(batch_app, name="batch")
app.command("list")(transcripts.list_)
app.command()(transcripts.get)
app.command()(transcripts.delete)
app.command()(transcripts.search)
app.command()(transcripts.export)
app.command()(doctor.doctor)
app.command()(serve.serve)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Transcribe recordings with AssemblyAI's API, one or thousands at once."""


def run() -> None:
    """Run the command line."""
    # The commands report by themselves what the log would say.
    logging.getLogger("asyncscribe").addHandler(logging.NullHandler())
    # Started without them (`>&-`): writes go nowhere, and are no error.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process lives
    # A paid transcript must not be lost to a terminal that lacks a character.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()

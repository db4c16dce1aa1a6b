"""The commands, put together."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from asyncscribe.cli import account, batch, batches, doctor, serve, transcribe
from asyncscribe.cli.groups import DefaultCommandGroup
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
    help="Transcribe folders of recordings into files, and look at what came of it.\n\n"
    "`batch SOURCE... --output DIR` is short for `batch run`; a folder that is named like a command is `./NAME`.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
batch_app.command("run")(batch.batch)
batch_app.command()(batches.status)
batch_app.command()(batches.export)
batch_app.command()(batches.report)
batch_app.command()(batches.recover)
app.add_typer(batch_app, name="batch")
app.command("list")(account.list_)
app.command()(account.get)
app.command()(account.delete)
app.command()(account.search)
app.command()(account.export)
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
    # A paid transcript must not be lost to a terminal that lacks a character.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()

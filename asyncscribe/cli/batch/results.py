"""`asyncscribe batch status | export | report | recover`: the results of a batch, and recovery of a lost journal."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.records import PENDING
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.batch.journal.totals import Totals
from asyncscribe.batch.recovery.recover import recover as remake
from asyncscribe.batch.report import ReportSummary, report_jobs, write_report
from asyncscribe.batch.report.exporting import (
    Reader,
    TableFormat,
    in_folder,
    in_store,
    rows,
    write_lines,
    write_parquet,
)
from asyncscribe.batch.report.page import LARGEST, PageTooLarge
from asyncscribe.batch.report.parts import Part, write_parts
from asyncscribe.batch.report.pricing import PRICES_OF, USD_PER_HOUR
from asyncscribe.batch.report.summary import Summary
from asyncscribe.cli.batch.journals import OutputFolder, SharedFiles, SharedJournal, journal_of, rebuilt
from asyncscribe.cli.batch.sources import named, require_all
from asyncscribe.cli.connection import connect
from asyncscribe.cli.display.rendering import encodable, figure, printable, write_json
from asyncscribe.cli.exits import Exit, UserError, echo_err, run
from asyncscribe.cli.options import (
    AsJson,
    BaseUrl,
    ConfigFile,
    Features,
    FromFile,
    Keyterms,
    Language,
    Models,
    Multichannel,
    Options,
    Redact,
    Speakers,
)
from asyncscribe.files import whole_or_nothing

if TYPE_CHECKING:
    from asyncscribe.batch.journal.postgres import PostgresJournal

Output = Annotated[
    str, typer.Argument(metavar="DIR", help="The output folder of the batch, or its s3://, gs:// or az://.")
]


def status(folder: OutputFolder = None, as_json: AsJson = False, journal: SharedJournal = None) -> None:
    """Show how far a batch is: counts, hours of audio, resubmissions, failures by reason. Also while it runs."""

    async def work() -> Exit:
        async with journal_of(folder, journal) as opened:
            summary = await _summary(opened)
        (_json if as_json else _table)(folder, summary)
        return Exit.DONE

    run(work)


async def _summary(journal: SqliteJournal | PostgresJournal) -> Totals:
    if not isinstance(journal, SqliteJournal):
        return await journal.totals()
    summary = Summary()
    async for entry in journal.all():
        summary.take(entry)
    return summary


def _cost(summary: Totals) -> tuple[float, float]:
    hours = summary.audio_seconds / 3600
    return hours * min(USD_PER_HOUR.values()), hours * max(USD_PER_HOUR.values())


def _detection(summary: Totals) -> float | None:
    """Mean seconds from the end of a job at the service until it was noticed."""
    return round(summary.detection_seconds / summary.detected, 2) if summary.detected else None


def _json(folder: Path | None, summary: Totals) -> None:
    write_json(
        {
            "type": "batch",
            "folder": None if folder is None else encodable(str(folder)),
            "recordings": dict(summary.recordings),
            "pending": summary.pending,
            "problems": summary.problems,
            "audio_hours": round(summary.audio_seconds / 3600, 4),
            "submissions": summary.submissions,
            "resubmissions": summary.resubmissions,
            "detection_seconds": _detection(summary),
            "failures": dict(summary.failures),
            "reasons": {encodable(name): encodable(reason) for name, reason in summary.reasons.items()},
        }
    )


def _table(folder: Path | None, summary: Totals) -> None:
    cheapest, dearest = _cost(summary)
    table = Table(
        title=f"batch in {printable(str(folder))}" if folder is not None else "shared batch",
        show_header=False,
        title_justify="left",
    )
    for step, count in summary.recordings.most_common():
        table.add_row(step, str(count))
    if summary.pending:
        table.add_row(PENDING, str(summary.pending))
    if summary.problems:
        table.add_row("had a problem, tried again next time", str(summary.problems))
    table.add_row("hours of audio transcribed", figure(summary.audio_seconds / 3600))
    table.add_row("list price", f"{figure(cheapest)} to {figure(dearest)} USD, by model ({PRICES_OF:%Y-%m})")
    table.add_row("resubmissions", str(summary.resubmissions))
    if summary.detected:
        table.add_row("noticed after the end, mean", f"{_detection(summary)} s")
    for category, count in summary.failures.most_common():
        table.add_row(f"failed: {category}", str(count))
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(table)
    for name, reason in summary.reasons.items():
        console.print(f"  {printable(name)}: {printable(reason)}", markup=False, highlight=False, soft_wrap=True)


def report(
    folder: OutputFolder = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-O", metavar="FILE", help="Where to [default: DIR/report.html]")
    ] = None,
    journal: SharedJournal = None,
) -> None:
    """Write one HTML page about a batch: totals, timeline, failures, and all transcripts to search, read and hear.

    It needs no network. Transcripts are taken from DIR (--format json); recordings are played from where they are.
    """
    here = folder or Path()
    path = output or here / "report.html"

    async def work() -> Exit:
        async with journal_of(folder, journal) as opened:
            totals = await _summary(opened)
            heading = ReportSummary(
                f"Batch {printable(here.resolve().name)}", datetime.now(UTC), _totals(totals), await opened.limits()
            )
            try:
                count = await write_report(path, heading, report_jobs(opened.all(), here, path.parent))
            except PageTooLarge:
                raise UserError(
                    f"the page would be larger than {LARGEST // 10**6} MB, which no browser opens easily",
                    "asyncscribe batch export writes a table of any size",
                    Exit.FAILED,
                ) from None
            except OSError as error:
                raise _unwritable(path, error) from error
        echo_err(f"{count} recordings are in {printable(str(path))}")
        return Exit.DONE

    run(work)


def _totals(summary: Totals) -> dict[str, str]:
    return {
        **{step: str(count) for step, count in summary.recordings.most_common()},
        **({PENDING: str(summary.pending)} if summary.pending else {}),
        "hours of audio": figure(summary.audio_seconds / 3600),
        "list price, USD": " to ".join(map(figure, _cost(summary))),
        "resubmissions": str(summary.resubmissions),
        **({"noticed after, mean": f"{_detection(summary)} s"} if summary.detected else {}),
    }


def export(
    folder: Annotated[
        str | None, typer.Argument(metavar="DIR", help="The output folder of the batch, or its s3://, gs:// or az://.")
    ] = None,
    form: Annotated[
        TableFormat | None,
        typer.Option("--format", "-f", help="Format of the table [default: the suffix of FILE, else csv]"),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-O",
            metavar="FILE",
            help="Where to [default: stdout]. A folder (DIR/) or an s3://, gs:// or az:// gets a Parquet file for "
            "each 100,000 jobs of a shared journal.",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part", metavar="I/N", help="Of those files every N-th, from the I-th on: N machines write all of them."
        ),
    ] = None,
    journal: SharedJournal = None,
) -> None:
    """Write all results of a batch as one table: a row for each recording, with its text."""
    if output is not None and (is_store(output) or output.endswith("/") or Path(output).is_dir()):
        _export_parts(folder, form, output, _part(part), journal)
    if part is not None:
        raise typer.BadParameter("it needs a folder or a store as --output", param_hint="--part")
    _export_file(folder, form, None if output is None else Path(output), journal)


def _part(text: str | None) -> Part:
    number, _, count = (text or "1/1").partition("/")
    try:
        return Part(int(number), int(count))
    except ValueError as error:
        raise typer.BadParameter("give a number and how many there are, e.g. 1/4", param_hint="--part") from error


def _reader(folder: str | None) -> Reader:
    return in_store(folder) if folder and is_store(folder) else in_folder(Path(folder or ""))


def _export_parts(folder: str | None, form: TableFormat | None, target: str, part: Part, journal: str | None) -> None:
    if form not in {None, TableFormat.PARQUET}:
        raise typer.BadParameter("many files are always Parquet", param_hint="--format")
    local = None if folder is None or is_store(folder) else Path(folder)

    async def work() -> Exit:
        async with journal_of(local, journal) as opened:
            if isinstance(opened, SqliteJournal):
                raise UserError("only a shared journal is written in parts", "name a file by --output")
            try:
                count = await write_parts(opened, _reader(folder), target, part)
            except OSError as error:
                raise UserError(f"{target} can't be written: {error.strerror or error}", code=Exit.FAILED) from error
        echo_err(f"{count} recordings")
        return Exit.DONE

    run(work)


def _export_file(folder: str | None, form: TableFormat | None, output: Path | None, journal: str | None) -> None:
    if form is None:
        suffix = "" if output is None else output.suffix[1:].lower()
        form = TableFormat(suffix) if suffix in set(TableFormat) else TableFormat.CSV
    if form is TableFormat.PARQUET and output is None:
        raise typer.BadParameter("Parquet is no text; name a file", param_hint="--output")

    async def work() -> Exit:
        local = None if folder is None or is_store(folder) else Path(folder)
        async with journal_of(local, journal) as opened:
            table = rows(opened.all(), _reader(folder))
            if output is None:
                count = await write_lines(table, form, sys.stdout)
            else:
                try:
                    with whole_or_nothing(output) as place:
                        count = await _export(table, form, place)
                except OSError as error:
                    raise _unwritable(output, error) from error
        echo_err(f"{count} recordings")
        return Exit.DONE

    run(work)


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} can't be written: {error.strerror or error}", code=Exit.FAILED)


async def _export(table: AsyncIterator[dict[str, Any]], form: TableFormat, place: Path) -> int:
    if form is TableFormat.PARQUET:
        return await write_parquet(table, place)
    with place.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        return await write_lines(table, form, file)


def _check_output(output: str, journal: str | None) -> None:
    if is_store(output):
        if journal is None:
            raise UserError("an object store holds no journal", "name its database by --journal")
    elif not Path(output).is_dir():
        raise UserError(f"there is no folder {printable(output)}")


def recover(
    folder: Output,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE...", help="The sources, as the batch was run with; - reads them from stdin."),
    ] = None,
    *,
    from_file: FromFile = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            formats=["%Y-%m-%d"],
            help="Ignore transcripts made before (UTC) [default: a day before the oldest in DIR]",
        ),
    ] = None,
    speakers: Speakers = False,
    language: Language = None,
    models: Models = None,
    keyterms: Keyterms = None,
    redact: Redact = None,
    multichannel: Multichannel = False,
    config: ConfigFile = None,
    options: Options = None,
    base_url: BaseUrl = None,
    journal: SharedJournal = None,
    shared_files: SharedFiles = False,
) -> None:
    """Rebuild a lost journal from DIR and the account's list, so that the batch resumes and pays nothing again.

    Give the sources and options that the batch was run with. Move a damaged journal away first.
    """
    features = Features(
        options or (), config, speakers, language, models or (), keyterms or (), redact or (), multichannel
    )

    async def work() -> Exit:
        given = list(named(sources or (), from_file))
        require_all(given)
        _check_output(folder, journal)
        async with connect(base_url=base_url) as client, rebuilt(Path(folder), journal, shared_files) as opened:
            day = None if since is None else since.replace(tzinfo=UTC)
            done = await remake(client, opened, folder, given, features.configuration(), day)
        echo_err(f"{done.written} are written, {done.adopted} were found in the account, {done.new} are new")
        for name, ids in done.ambiguous.items():
            echo_err(f"  {printable(name)}: may have been transcribed already, as one of {', '.join(ids[:5])}")
        if done.ambiguous:
            echo_err("  the next run leaves those alone; --retry-failed transcribes them, which is paid for")
        return Exit.FAILED if done.ambiguous else Exit.DONE

    run(work)

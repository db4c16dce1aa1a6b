"""`asyncscribe list | get | delete | search | export`: the transcripts of the account."""

from __future__ import annotations

import json
import sys
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from asyncscribe.batch.outputs import Format, render
from asyncscribe.cli.connection import connect
from asyncscribe.cli.display.rendering import printable, write_json
from asyncscribe.cli.exits import Exit, UserError, echo_err, run
from asyncscribe.cli.options import AsJson, BaseUrl, TranscriptArgument
from asyncscribe.client import AsyncClient
from asyncscribe.errors import NotFound
from asyncscribe.files import write_atomically
from asyncscribe.models.pages import ListItem
from asyncscribe.models.results import Passage
from asyncscribe.models.transcript import Transcript, TranscriptStatus


def list_(
    status: Annotated[TranscriptStatus | None, typer.Option("--status", "-s", help="Only those in this state.")] = None,
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Only those of this day (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many to show at most.")] = 20,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
) -> None:
    """List the transcripts of the key's project, newest first, as a table or as JSON lines."""

    async def work() -> Exit:
        shown = 0
        async with connect(base_url=base_url) as client:
            day = None if on is None else on.date()
            items = client.list(status=status, created_on=day, page_size=min(limit, 200))
            async with aclosing(items):
                async for item in items:
                    _show(item, as_json=as_json)
                    shown += 1
                    if shown == limit:
                        break
        if not shown:
            echo_err("there are no such transcripts")
        return Exit.DONE

    run(work)


def _show(item: ListItem, *, as_json: bool) -> None:
    created = item.created.strftime("%Y-%m-%d %H:%M:%S") if item.created else "-"
    if as_json:
        write_json(
            {
                "type": "transcript",
                "id": item.id,
                "status": item.status,
                "created": item.created.isoformat() if item.created else None,
                "completed": item.completed.isoformat() if item.completed else None,
                "audio_url": item.audio_url,
                "error": item.error,
            }
        )
    else:
        about = item.error or item.audio_url
        sys.stdout.write(f"{item.id:36}  {item.status:10}  {created:19}  {printable(about)}\n")


class ExportFormat(StrEnum):
    """What `--format` of `get` and `export` takes."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    SENTENCES = "sentences"
    PARAGRAPHS = "paragraphs"


def get(
    transcript_id: TranscriptArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole document.")] = False,
    base_url: BaseUrl = None,
) -> None:
    """Print a transcript: its text, or the whole document. Picks up a job that was left, with --wait."""

    async def work() -> Exit:
        async with connect(base_url=base_url) as client:
            transcript = await (client.wait(transcript_id) if wait else client.get(transcript_id))
        if as_json:
            write_json(dict(transcript.document))
        elif transcript.status == TranscriptStatus.COMPLETED:
            sys.stdout.write(render(transcript, Format.TEXT))
        else:
            why = f": {transcript.error}" if transcript.error else ""
            echo_err(f"transcript {transcript.id} is in state {transcript.status}{why}")
        return Exit.FAILED if transcript.status == TranscriptStatus.ERROR else Exit.DONE

    run(work)


def delete(
    transcript_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of the transcripts.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    base_url: BaseUrl = None,
) -> None:
    """Delete the content of transcripts and their uploads, for good. Asks first, unless --yes."""
    if not yes:
        many = "this transcript" if len(transcript_ids) == 1 else f"these {len(transcript_ids)} transcripts"
        typer.confirm(f"Delete {many} for good?", abort=True, err=True)

    async def work() -> Exit:
        failed = 0
        async with connect(base_url=base_url) as client:
            for transcript_id in transcript_ids:
                try:
                    await client.delete(transcript_id)
                except NotFound as error:
                    failed += 1
                    echo_err(f"error: {error}")
                else:
                    echo_err(f"deleted {transcript_id}")
        return Exit.FAILED if failed else Exit.DONE

    run(work)


def search(
    transcript_id: TranscriptArgument,
    phrases: Annotated[list[str], typer.Argument(metavar="PHRASE...", help="Words or phrases of up to five words.")],
    as_json: AsJson = False,
    base_url: BaseUrl = None,
) -> None:
    """Show where words and phrases were said. Exits with 1 if none was."""

    async def work() -> Exit:
        async with connect(base_url=base_url) as client:
            matches = await client.search(transcript_id, phrases)
        for match in matches:
            places = match.timestamps or ()
            if as_json:
                write_json({"type": "match", **match.model_dump(mode="json")})
            else:
                times = ", ".join(f"{start / 1000:.2f}-{end / 1000:.2f} s" for start, end in places)
                sys.stdout.write(f"{match.text}: {match.count} times, at {times}\n")
        return Exit.DONE if matches else Exit.FAILED

    run(work)


def export(
    transcript_id: TranscriptArgument,
    form: Annotated[ExportFormat, typer.Option("--format", "-f", help="What to export.")] = ExportFormat.TEXT,
    chars_per_caption: Annotated[
        int | None, typer.Option("--chars-per-caption", min=1, help="Longest caption of srt and vtt.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-O", metavar="FILE", help="Write to a file, whole or not at all.")
    ] = None,
    base_url: BaseUrl = None,
) -> None:
    """Export a completed transcript as text, document, subtitles, sentences or paragraphs (JSON lines)."""

    async def work() -> Exit:
        async with connect(base_url=base_url) as client:
            content = await _exported(client, transcript_id, form, chars_per_caption)
        if output is None:
            sys.stdout.write(content)
        else:
            try:
                write_atomically(output, content)
            except OSError as error:
                raise UserError(f"--output {output}: {error.strerror or error}", code=Exit.FAILED) from None
        return Exit.DONE

    run(work)


async def _exported(client: AsyncClient, transcript_id: str, form: ExportFormat, width: int | None) -> str:
    match form:
        case ExportFormat.SRT | ExportFormat.VTT:
            return await client.subtitles(transcript_id, form.value, width)
        case ExportFormat.SENTENCES:
            return _lines([_document(passage) for passage in await client.sentences(transcript_id)])
        case ExportFormat.PARAGRAPHS:
            return _lines([_document(passage) for passage in await client.paragraphs(transcript_id)])
    return render(_completed(await client.get(transcript_id)), Format(form.value))


def _document(passage: Passage) -> dict[str, Any]:
    """As the service says it."""
    return passage.model_dump(mode="json", by_alias=True)


def _completed(transcript: Transcript) -> Transcript:
    if transcript.status != TranscriptStatus.COMPLETED:
        raise UserError(f"transcript {transcript.id} is in state {transcript.status}", code=Exit.FAILED)
    return transcript


def _lines(objects: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)

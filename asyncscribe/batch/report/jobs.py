"""The jobs of a report, from the journal and the output folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from asyncscribe.batch.journal.records import Entry
from asyncscribe.batch.report.page import ReportJob
from asyncscribe.models.transcript import Transcript


async def report_jobs(entries: AsyncIterable[Entry], output: Path, page: Path) -> AsyncIterator[ReportJob]:
    """A job for each recording.

    Args:
        entries: The entries of the journal.
        output: The output folder, where the documents are.
        page: The folder of the page; recordings are linked relative to it.
    """
    async for entry in entries:
        job = entry.job
        yield ReportJob(
            name=entry.recording.name,
            state=entry.status,
            reason=entry.reason,
            audio=_audio(entry.recording.identity, page),
            seconds=(job.audio_seconds if job else None) or entry.recording.seconds,
            submissions=len(job.ids) if job else 0,
            transcript_id=job.ids[-1] if job and job.ids else None,
            times=job.times if job else {},
            transcript=_transcript(output / f"{entry.recording.name}.json") if _has_document(entry) else None,
        )


def _has_document(entry: Entry) -> bool:
    return entry.job is not None and entry.files.get("json") == entry.job.key


def _transcript(path: Path) -> Transcript | None:
    try:
        return Transcript.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _audio(identity: str, page: Path) -> tuple[str, ...]:
    """Where a browser finds a recording: relative to the page's folder, and absolute."""
    path = Path(identity)
    if "://" in identity or not path.is_file():
        return ()
    whole = path.resolve().as_uri()
    try:
        return quote(Path(os.path.relpath(path.resolve(), page.resolve())).as_posix()), whole
    except ValueError:
        # On another Windows drive.
        return (whole,)

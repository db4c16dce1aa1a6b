"""A lost journal, made anew from what the output folder and the account's list say, so that nothing is paid again.

What is sure is taken over: the service's documents in the output folder name their transcripts, and addresses stand in
the list. An uploaded file stands there under an address that says nothing of it, so it is known by its length only. It
is taken over where just one file and just one transcript have that length. Other files are marked as failed, with the
transcripts that might be theirs, and left alone by the next run: to pay for one again is then somebody's decision.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from asyncscribe.batch.discovery import Discovery, Item
from asyncscribe.batch.identity import content_of_file, content_of_url, fingerprint, keyed, look_at
from asyncscribe.batch.journal import JobRecord, Journal, Recording, Step
from asyncscribe.batch.probing import seconds_of
from asyncscribe.client import AsyncClient
from asyncscribe.errors import TranscriptionFailed
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId, TranscriptStatus
from asyncscribe.sources import SignedOnDemand, name_of

#: How long before the first document the batch may have begun.
LONGEST_JOB = timedelta(days=1)
#: What the address of an upload has in it.
UPLOADED = "/upload/"
#: The kind of failure of a file that might have been transcribed already.
AMBIGUOUS = "ambiguous"


@dataclass(slots=True)
class Recovered:
    """What a recovery came to.

    Attributes:
        written: Recordings whose document is in the output folder.
        adopted: Recordings whose transcript was found in the account.
        ambiguous: Files that might have been transcribed already, and the transcripts that might be theirs.
        new: Recordings of which there is no trace.
    """

    written: int = 0
    adopted: int = 0
    ambiguous: dict[str, list[TranscriptId]] = field(default_factory=dict)
    new: int = 0


async def recover(
    client: AsyncClient,
    journal: Journal,
    output: Path,
    sources: Sequence[str],
    config: TranscriptionConfig,
    since: datetime | None = None,
) -> Recovered:
    """Fill an empty journal.

    Args:
        client: An open client of the account that the batch was run with.
        journal: An empty journal.
        output: The output folder.
        sources: The sources of the batch, as it was run.
        config: The configuration of the batch, as it was run.
        since: Transcripts made before are not looked at; default: a day before the oldest document in `output`.

    Raises:
        ServiceError: The account's list can't be had.
        JournalError: The journal can't be written.
    """
    await journal.bind(client.base_url, lasting=True)
    written = await asyncio.get_running_loop().run_in_executor(None, _documents, output)
    if since is None and written:
        since = min(moment for _, moment in written.values()) - LONGEST_JOB
    recovered = Recovered()
    open_jobs: list[tuple[Item, JobRecord]] = []
    async for some in Discovery(sources, output).chunks():
        for item, name in zip(some, keyed([item.name for item in some]), strict=True):
            recording = await _recording(item, name)
            if recording is None:
                continue
            (job,) = await journal.assign([recording], fingerprint(config))
            if item.name in written:
                await journal.adopt(job.key, written[item.name][0], None)
                await journal.completed(job.key, [name], None, {})
                recovered.written += 1
            elif not job.ids and job.step is Step.FOUND:
                open_jobs.append((item, job))
    await _search(client, journal, {id_ for id_, _ in written.values()}, open_jobs, since, recovered)
    return recovered


async def _search(
    client: AsyncClient,
    journal: Journal,
    known: set[TranscriptId],
    jobs: Sequence[tuple[Item, JobRecord]],
    since: datetime | None,
    recovered: Recovered,
) -> None:
    """Look for the transcripts of jobs in the account."""
    by_url: dict[str, ListItem] = {}
    # A signed URL has the bucket in its host or in its path, and the key in its path.
    by_path: dict[str, ListItem] = {}
    uploads: list[ListItem] = []
    async for listed in client.list():
        if since is not None and listed.created is not None and listed.created < since:
            break
        if listed.id in known or listed.status == TranscriptStatus.ERROR:
            continue
        if UPLOADED in listed.audio_url:
            uploads.append(listed)
        else:
            by_url[content_of_url(listed.audio_url)] = listed
            by_path[urlsplit(listed.audio_url).path.lstrip("/")] = listed
    files: list[tuple[Item, JobRecord]] = []
    for item, job in jobs:
        found = by_url.get(job.content)
        if isinstance(item.source, SignedOnDemand):
            bucket, _, key = quote(item.source.name.partition("://")[2]).partition("/")
            found = by_path.get(key) or by_path.get(f"{bucket}/{key}")
        if found is not None:
            await journal.adopt(job.key, found.id, found.audio_url)
            recovered.adopted += 1
        elif isinstance(item.source, Path):
            files.append((item, job))
        else:
            recovered.new += 1
    if files:
        await _match_lengths(client, journal, files, uploads, recovered)


async def _match_lengths(
    client: AsyncClient,
    journal: Journal,
    files: Sequence[tuple[Item, JobRecord]],
    uploads: Sequence[ListItem],
    recovered: Recovered,
) -> None:
    transcripts: dict[int, list[tuple[TranscriptId, str]]] = defaultdict(list)
    for listed in uploads:
        try:
            transcript = await client.wait(listed.id)
        except TranscriptionFailed:
            continue
        if transcript.audio_duration is not None:
            transcripts[math.ceil(transcript.audio_duration)].append((transcript.id, listed.audio_url))
    lengths: dict[int | None, list[tuple[Item, JobRecord]]] = defaultdict(list)
    for item, job in files:
        seconds = await seconds_of(item.source) if isinstance(item.source, Path) else None
        lengths[None if seconds is None else math.ceil(seconds)].append((item, job))
    for length, alike in lengths.items():
        candidates = _near(transcripts, length)
        distinct = len({job.key for _, job in alike})
        for item, job in alike:
            if not candidates:
                recovered.new += 1
            elif len(candidates) == distinct == 1:
                if item is alike[0][0]:
                    await journal.adopt(job.key, *candidates[0])
                recovered.adopted += 1
            else:
                ids = [transcript_id for transcript_id, _ in candidates]
                recovered.ambiguous[item.name] = ids
                reason = f"may have been transcribed already, as one of {', '.join(ids[:5])}"
                await journal.failed(job.key, reason, AMBIGUOUS, {})


def _near(
    transcripts: Mapping[int, list[tuple[TranscriptId, str]]], length: int | None
) -> list[tuple[TranscriptId, str]]:
    """The transcripts of a length; of any length if that is not known."""
    if length is None:
        return [one for some in transcripts.values() for one in some]
    return [one for near in (length - 1, length, length + 1) for one in transcripts.get(near, ())]


async def _recording(item: Item, name: str) -> Recording | None:
    if not isinstance(item.source, Path):
        return Recording(name, name_of(item.source), content=item.content or content_of_url(str(item.source)))
    look = look_at(item.source)
    if look is None:
        return None
    try:
        content = await content_of_file(item.source)
    except OSError:
        return None
    return Recording(name, name_of(item.source), look.size, look.modified, content)


def _documents(output: Path) -> dict[str, tuple[TranscriptId, datetime]]:
    """The ids of the service's documents in the output folder by the recording's name, and when each was written."""
    found = {}
    for path in output.rglob("*.json"):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and isinstance(document.get("id"), str):
            name = path.relative_to(output).as_posix().removesuffix(".json")
            found[name] = (TranscriptId(document["id"]), moment)
    return found

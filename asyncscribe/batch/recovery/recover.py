"""Rebuilds a lost journal from the output folder and the account's list, so that nothing is paid again.

Sure matches are adopted: the service's documents in the output folder name their transcripts, and the list shows
addresses. Uploaded files are listed under addresses that don't identify them, so they are matched by length, if only
one file and one transcript have that length. Other files are marked as failed, with the transcripts that might be
theirs, and left alone by the next run, so that paying again is the user's decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio

from asyncscribe.batch.finding import Candidate, read, recognised, stamp_of_item
from asyncscribe.batch.inputs.discovery import BatchItem, Discovery
from asyncscribe.batch.inputs.identity import content_of_url, fingerprint, identity_of, stamp_of
from asyncscribe.batch.inputs.probing import seconds_of
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.records import JobRecord, Journal, Newcomer, Recording, SavedState
from asyncscribe.batch.recovery.documents import Document, documents_in
from asyncscribe.batch.recovery.matching import Heard, Unheard, match
from asyncscribe.client import AsyncClient
from asyncscribe.errors import TranscriptionFailed
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId, TranscriptStatus
from asyncscribe.sources import SignedOnDemand, name_of

#: How long before the first document the batch may have begun.
LONGEST_JOB = timedelta(days=1)
#: Part of the address of every upload.
UPLOADED = "/upload/"
#: Transcripts that are requested at once.
AT_ONCE = 16
#: The kind of failure of a file that might have been transcribed already.
AMBIGUOUS = "ambiguous"


@dataclass(slots=True)
class Recovered:
    """The result of a recovery.

    Attributes:
        written: Recordings whose document is in the output folder.
        adopted: Recordings whose transcript was found in the account.
        ambiguous: Files that might have been transcribed already, and the transcripts that might be theirs.
        new: Recordings without a trace.
    """

    written: int = 0
    adopted: int = 0
    ambiguous: dict[str, list[TranscriptId]] = field(default_factory=dict)
    new: int = 0


@dataclass(slots=True)
class _Open:
    """The unsettled part of a recovery.

    Attributes:
        known: Transcripts that are accounted for.
        settled: Jobs whose transcript is known.
        jobs: Recordings without a document in the output folder.
        newer: Recordings that changed after their transcript was written, and that transcript, by job.
    """

    known: set[TranscriptId]
    settled: set[int] = field(default_factory=set)
    jobs: list[tuple[BatchItem, JobRecord]] = field(default_factory=list)
    newer: dict[int, tuple[list[BatchItem], TranscriptId]] = field(default_factory=dict)


async def recover(
    client: AsyncClient,
    journal: Journal,
    output: str | Path,
    sources: Sequence[str],
    config: TranscriptionConfig,
    since: datetime | None = None,
) -> Recovered:
    """Fill in what the journal lacks.

    Args:
        client: An open client of the account that the batch was run with.
        journal: What it knows is left as it is.
        output: The output folder, or a prefix of an object store.
        sources: The sources of the batch, as it was run.
        config: The configuration of the batch, as it was run.
        since: Older transcripts are ignored; default: a day before the oldest document in `output`.

    Raises:
        ServiceError: The account's list is unavailable.
        JournalError: The journal can't be written.
        OSError: The store of the output can't be listed.
    """
    await journal.bind(client.base_url, lasting=True)
    written = await documents_in(output)
    if since is None and written:
        since = min(document.written for document in written.values()) - LONGEST_JOB
    recovered = Recovered()
    open_jobs = _Open({document.id for document in written.values()})
    async for some in Discovery(sources, None if is_store(str(output)) else Path(output)).chunks():
        for item in some:
            recording = await _recording(journal, item)
            if recording is not None:
                (job,) = await journal.assign([recording], fingerprint(config))
                await _sort(journal, item, recording, job, written.get(recording.name), open_jobs, recovered)
    # A changed file gets the transcript of another file with the same content, if that exists.
    for key, (items, transcript_id) in open_jobs.newer.items():
        if key not in open_jobs.settled:
            await _leave(journal, key, items, [transcript_id], recovered)
    open_jobs.settled |= open_jobs.newer.keys()
    jobs = [(item, job) for item, job in open_jobs.jobs if job.key not in open_jobs.settled]
    await _search(client, journal, open_jobs.known, jobs, since, recovered)
    return recovered


async def _sort(
    journal: Journal,
    item: BatchItem,
    recording: Recording,
    job: JobRecord,
    document: Document | None,
    open_jobs: _Open,
    recovered: Recovered,
) -> None:
    """Settle the job of a recording, or keep it for the search."""
    begun = job.ids or job.doubtful_url is not None or job.step is SavedState.FAILED
    if begun and job.key not in open_jobs.settled:
        # By a batch that was continued without the lost journal.
        open_jobs.known.update(job.ids)
    elif document is None:
        open_jobs.jobs.append((item, job))
    elif _is_newer(recording, document):
        open_jobs.newer.setdefault(job.key, ([], document.id))[0].append(item)
    else:
        if job.key not in open_jobs.settled:
            await journal.adopt(job.key, document.id, None)
        open_jobs.settled.add(job.key)
        await journal.completed(job.key, {recording.identity: ["json"]}, document.seconds, {})
        recovered.written += 1


async def _search(
    client: AsyncClient,
    journal: Journal,
    known: set[TranscriptId],
    jobs: Sequence[tuple[BatchItem, JobRecord]],
    since: datetime | None,
    recovered: Recovered,
) -> None:
    """Look for the transcripts of jobs in the account."""
    by_url: dict[str, ListItem] = {}
    # A signed URL has the bucket in its host or its path, and the key in its path.
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
    files: defaultdict[int, list[BatchItem]] = defaultdict(list)
    for item, job in jobs:
        found = by_url.get(job.content)
        if isinstance(item.source, SignedOnDemand):
            bucket, _, key = quote(item.source.name.partition("://")[2]).partition("/")
            found = by_path.get(key) or by_path.get(f"{bucket}/{key}")
        if found is not None:
            await journal.adopt(job.key, found.id, found.audio_url)
            recovered.adopted += 1
        elif isinstance(item.source, Path):
            files[job.key].append(item)
        else:
            recovered.new += 1
    if files:
        await _match_lengths(client, journal, files, uploads, recovered)


async def _match_lengths(
    client: AsyncClient,
    journal: Journal,
    files: Mapping[int, Sequence[BatchItem]],
    uploads: Sequence[ListItem],
    recovered: Recovered,
) -> None:
    jobs = [await _unheard(key, items[0]) for key, items in files.items()]
    matches = match(jobs, await _lengths(client, uploads))
    for key, items in files.items():
        if key in matches.sure:
            found = matches.sure[key]
            await journal.adopt(key, found.id, found.audio_url)
            recovered.adopted += len(items)
        elif key in matches.candidates:
            await _leave(journal, key, items, [found.id for found in matches.candidates[key]], recovered)
        else:
            recovered.new += len(items)


async def _leave(
    journal: Journal, key: int, items: Sequence[BatchItem], ids: list[TranscriptId], recovered: Recovered
) -> None:
    """Mark a job to be left alone, with the transcripts that may be its own."""
    recovered.ambiguous.update({item.name: ids for item in items})
    await journal.failed(key, f"may have been transcribed already, as {' or '.join(ids)}", AMBIGUOUS, {})


async def _unheard(key: int, item: BatchItem) -> Unheard:
    path = Path(str(item.source))
    stamp = stamp_of(path)
    moment = datetime.fromtimestamp(stamp.modified / 1e9 if stamp else 0, UTC)
    return Unheard(key, await seconds_of(path), moment)


async def _lengths(client: AsyncClient, uploads: Sequence[ListItem]) -> list[Heard]:
    """The lengths of uploads, which only their transcripts have; a few are requested at once."""
    heard: list[Heard] = []
    left = iter(uploads)

    async def ask() -> None:
        for listed in left:
            try:
                seconds = (await client.wait(listed.id)).audio_duration
            except TranscriptionFailed:
                continue
            if seconds is not None:
                heard.append(Heard(listed.id, listed.audio_url, seconds, listed.created))

    try:
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(ask)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return heard


async def _recording(journal: Journal, item: BatchItem) -> Recording | None:
    """A recording with its name and its content; None if it can't be read."""
    newcomer = Newcomer(identity_of(item.source), name_of(item.source), item.name)
    (named,) = await journal.name([newcomer])
    entry = named or await journal.name_apart(newcomer)
    stamp = stamp_of_item(item)
    find = Candidate(item, recognised(item, entry.recording, stamp), stamp)
    return find.recording if find.recording.content is not None or await read(find) else None


def _is_newer(recording: Recording, document: Document) -> bool:
    """Whether a file changed after its transcript was written, which may then be of something else."""
    return recording.modified is not None and recording.modified / 1e9 > document.written.timestamp()

"""What is known of recordings that were found: their names, their files, their jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asyncscribe.batch.inputs.discovery import BatchItem
from asyncscribe.batch.inputs.identity import (
    FileStamp,
    content_of_file,
    content_of_item,
    identity_of,
    stamp_of,
)
from asyncscribe.batch.journal.records import Entry, JobRecord, Journal, Newcomer, Recording
from asyncscribe.batch.outputs import Outputs
from asyncscribe.errors import JournalLost
from asyncscribe.sources import name_of


@dataclass(slots=True)
class Candidate:
    """A recording that was found.

    Attributes:
        item: Where it is.
        recording: What is known of it; without content if it has to be read first.
        stamp: Its file at this moment; None if that is missing or empty.
        job: Its present job; None if the recording is new or has to be read first.
        outputs_exist: The formats of which a file exists in the output folder.
        files: Which job's transcript is in each.
    """

    item: BatchItem
    recording: Recording
    stamp: FileStamp | None
    job: JobRecord | None = None
    outputs_exist: frozenset[str] = frozenset()
    files: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the output folder."""
        return self.recording.name


class Finder:
    """Looks recordings up in the journal and on the disk, many at once.

    Args:
        journal: Has the recordings, and names new ones.
        outputs: Where the transcripts are.
        service: Where jobs run.
        config: Fingerprint of the configuration.
        covers: Whether a path is among the sources of this run.
        lost: The journal's file, named in the error when a transcript exists that the journal does not know.
    """

    def __init__(
        self,
        journal: Journal,
        outputs: Outputs,
        service: str,
        config: str,
        covers: Callable[[Path], bool],
        lost: Path,
    ) -> None:
        self._journal = journal
        self._outputs = outputs
        self._service = service
        self._config = config
        self._covers = covers
        self._lost = lost

    async def find(self, items: Sequence[BatchItem]) -> list[Candidate]:
        """What is known of each.

        Raises:
            JournalLost: A transcript exists that the journal does not know.
            JournalError: The journal can't be read or written.
        """
        identities = [identity_of(item.source) for item in items]
        loop = asyncio.get_running_loop()
        # Concurrently with the journal: in a large batch that is nearly done, there is nothing else to do.
        stamping = loop.run_in_executor(None, lambda: [stamp_of_item(item) for item in items])
        try:
            entries = await self._journal.entries(identities)
        finally:
            stamps = await stamping
        await self._name(items, identities, stamps, entries)
        found = [entries[identity] for identity in identities]
        outputs_exist = await loop.run_in_executor(None, presence, self._outputs, found, self._lost)
        candidates = [
            known(item, entry, stamp, present, self._service, self._config)
            for item, entry, stamp, present in zip(items, found, stamps, outputs_exist, strict=True)
        ]
        await self.assign([find for find in candidates if find.job is None and find.recording.content is not None])
        return candidates

    async def look_again(self, find: Candidate) -> None:
        """Look up again which files of a recording were written."""
        identity = find.recording.identity
        find.files = dict((await self._journal.entries([identity]))[identity].files)
        find.outputs_exist = self._outputs.present(find.name, find.files)

    async def assign(self, candidates: Sequence[Candidate]) -> None:
        """Assign jobs to recordings whose content is known."""
        if candidates:
            jobs = await self._journal.assign([find.recording for find in candidates], self._config)
            for find, job in zip(candidates, jobs, strict=True):
                find.job = job

    async def _name(
        self,
        items: Sequence[BatchItem],
        identities: Sequence[str],
        stamps: Sequence[FileStamp | None],
        entries: dict[str, Entry],
    ) -> None:
        """Give names to those that have none."""
        new = {
            identity: (Newcomer(identity, name_of(item.source), item.name), item, stamp)
            for item, identity, stamp in zip(items, identities, stamps, strict=True)
            if identity not in entries
        }
        if not new:
            return
        named = await self._journal.name([newcomer for newcomer, _, _ in new.values()])
        for (newcomer, item, stamp), entry in zip(new.values(), named, strict=True):
            entries[newcomer.identity] = entry or await self._settle_name(newcomer, item, stamp)

    async def _settle_name(self, newcomer: Newcomer, item: BatchItem, stamp: FileStamp | None) -> Entry:
        """Name a newcomer whose name is taken, perhaps by itself at an earlier place."""
        alike = [entry.recording for entry in await self._journal.alike(newcomer)]
        if not isinstance(item.source, Path):
            content = content_of_item(item.source, item.content)
            same = [one for one in alike if one.content == content]
        else:
            files = [one for one in alike if "://" not in one.identity]
            outputs_exist = await asyncio.get_running_loop().run_in_executor(
                None, lambda: [_exists(Path(one.identity)) for one in files]
            )
            # A missing file has most likely moved; an unchanged one with the same file name comes first.
            same = sorted(
                (one for one, exists in zip(files, outputs_exist, strict=True) if not exists),
                key=lambda one: (
                    stamp is None or (one.size, one.modified) != (stamp.size, stamp.modified),
                    Path(one.identity).name != Path(newcomer.identity).name,
                ),
            )
            if not same:
                here = [one for one, exists in zip(files, outputs_exist, strict=True) if exists]
                same = [one for one in here if await self._is_same(item.source, stamp, one)]
        if same:
            return await self._journal.take_over(same[0].identity, newcomer)
        return await self._journal.name_apart(newcomer)

    async def _is_same(self, path: Path, stamp: FileStamp | None, holder: Recording) -> bool:
        """Whether a newcomer is a known recording under another path."""
        if stamp is None or holder.size != stamp.size or self._covers(Path(holder.identity)):
            return False
        try:
            return await content_of_file(path) == holder.content
        except OSError:
            return False


def presence(outputs: Outputs, entries: Sequence[Entry], journal: Path) -> list[frozenset[str]]:
    """The formats of which each recording has a file. Blocks.

    Raises:
        JournalLost: A file exists in any format, and the journal knows no job of it.
    """
    outputs_exist = []
    for entry in entries:
        name = entry.recording.name
        present = outputs.present(name, entry.files, every=entry.job is None)
        if present and entry.job is None:
            raise JournalLost(journal, Path(outputs.path(name, min(present))))
        outputs_exist.append(present)
    return outputs_exist


def stamp_of_item(item: BatchItem) -> FileStamp | None:
    """The file of a recording at this moment; None for an address."""
    return stamp_of(item.source) if isinstance(item.source, Path) else None


def known(
    item: BatchItem, entry: Entry, stamp: FileStamp | None, outputs_exist: frozenset[str], service: str, config: str
) -> Candidate:
    """What is known without reading the recording; its job only if service and configuration match."""
    recording, job = recognised(item, entry.recording, stamp), entry.job
    if job is not None and (job.service, job.content, job.config) != (service, recording.content, config):
        job = None
    return Candidate(item, recording, stamp, job, outputs_exist, dict(entry.files))


async def read(find: Candidate) -> bool:
    """Hash a recording; False if it can't be read, or keeps changing."""
    path = find.item.source
    if not isinstance(path, Path):
        return True
    for _ in range(2):
        stamp = stamp_of(path)
        if stamp is None:
            return False
        try:
            content = await content_of_file(path)
        except OSError:
            return False
        if stamp_of(path) == stamp:
            find.stamp = stamp
            recording = find.recording
            find.recording = Recording(
                recording.identity, recording.name, name_of(path), stamp.size, stamp.modified, content
            )
            return True
    return False


def recognised(item: BatchItem, known: Recording, stamp: FileStamp | None) -> Recording:
    """A recording as the journal knows it; without its content if it has to be read again."""
    source = name_of(item.source)
    if not isinstance(item.source, Path):
        content = content_of_item(item.source, item.content)
        seconds = known.seconds if known.content == content else None
        return Recording(known.identity, known.name, source, content=content, seconds=seconds)
    unchanged = stamp is not None and (known.size, known.modified) == (stamp.size, stamp.modified)
    # If the file is gone, what was sent earlier can still be fetched.
    if known.content is not None and (unchanged or (stamp is None and not _exists(item.source))):
        return known
    return Recording(known.identity, known.name, source)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False

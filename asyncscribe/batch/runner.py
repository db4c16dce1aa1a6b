"""`Batch`: discovers recordings, has them transcribed, writes the transcripts, and remembers all of it."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from asyncscribe.batch.allowance import Allowance
from asyncscribe.batch.completion_times import Ends
from asyncscribe.batch.inputs.discovery import Discovery, Item, Unreadable
from asyncscribe.batch.inputs.identity import Look, content_of_file, content_of_url, fingerprint, keyed, look_at
from asyncscribe.batch.inputs.probing import seconds_of
from asyncscribe.batch.journal.ledger import JournalLedger
from asyncscribe.batch.journal.records import Entry, JobRecord, Journal, Recording
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, SqliteJournal
from asyncscribe.batch.outputs import Format, Outputs
from asyncscribe.batch.planning import Plan, plan
from asyncscribe.client import AsyncClient
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import (
    AccountError,
    BadRequest,
    ConnectFailed,
    JournalError,
    JournalLost,
    NotFound,
    TranscriptionFailed,
    WaitRefused,
)
from asyncscribe.events import Event, LimitChanged
from asyncscribe.ledger import NullLedger
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript
from asyncscribe.requests import Outcome, TranscriptionRequest
from asyncscribe.sources import SignedOnDemand, name_of

#: Recordings in a row for which no connection could be made, after which no more are tried.
UNREACHABLE = 10
#: Errors that are kept as the end of a job.
_LASTING = TranscriptionFailed | BadRequest
#: Errors of files that every further file would meet as well.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How one recording of a batch ended.

    Attributes:
        item: The recording.
        transcript: Its transcript, also when it could not be written.
        error: Why there are no files; None if there are.
        files: The files that were written.
        submissions: How many times it was submitted.
        elapsed: Seconds from when it was taken up to the end.
    """

    item: Item
    transcript: Transcript | None
    error: Exception | None
    files: tuple[Path, ...]
    submissions: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a run would do about a recording.

    Attributes:
        item: The recording.
        plan: What would be done.
        seconds: Length of its audio; None if it is not known.
        submitted: Whether it was submitted already, so that it would be waited for and not paid again.
        usable: Whether there is anything to send.
    """

    item: Item
    plan: Plan
    seconds: float | None
    submitted: bool
    usable: bool = True


@dataclass(slots=True)
class _Work:
    """A job of this run, and the recordings that it serves."""

    items: list[tuple[Item, str]]
    job: JobRecord | None = None
    ledger: JournalLedger | None = None
    begun: float = field(default_factory=time.monotonic)
    #: Seconds of the allowance that it takes; None if it takes none.
    counted: float | None = None


@dataclass(slots=True)
class _Find:
    """A recording that was found, and what is known of it."""

    item: Item
    name: str
    look: Look | None
    there: bool
    ends: int
    recording: Recording | None = None
    job: JobRecord | None = None


class Batch:
    """Transcribes folders, files and URLs into a folder, and goes on where an earlier run ended.

    An async context manager, which holds the output folder and its journal:

        async with Batch(client, "transcripts") as batch:
            async for outcome in batch.run(["recordings/"]):
                ...

    Args:
        client: An open client.
        output: Where the transcripts go: `<relative path with its suffix>.<format>`.
        formats: What is written for each recording.
        config: What the service is asked to do.
        retry_failed: Try again what failed for good in an earlier run.
        max_hours: Submit no more once this run has had so many hours of audio transcribed; what runs then ends.
        ephemeral: The service ends with this process, as an embedded server does, and what it has with it: the next
            run begins again what is not done.
        journal: Where the steps are kept; default: a file in the output folder.

    Raises (on entering):
        JournalError: The journal can't be used; `JournalBusy` if another process works on the folder.

    Attributes:
        skipped: Recordings whose transcripts were there already.
        left: Recordings that failed for good in an earlier run and were left alone.
    """

    def __init__(
        self,
        client: AsyncClient,
        output: str | Path,
        *,
        formats: Sequence[Format] = (Format.JSON,),
        config: TranscriptionConfig | None = None,
        retry_failed: bool = False,
        max_hours: float | None = None,
        ephemeral: bool = False,
        journal: Journal | None = None,
    ) -> None:
        self._client = client
        self._output = Path(output)
        self._outputs = Outputs(self._output, formats)
        self._config = config or TranscriptionConfig()
        self._fingerprint = fingerprint(self._config)
        self._retry_failed = retry_failed
        self._allowance = Allowance(None if max_hours is None else 3600 * max_hours)
        self._ephemeral = ephemeral
        self._given = journal
        self._opened: Journal | None = None
        self._exit = AsyncExitStack()
        self._discovery = Discovery((), self._output)
        self._stopped = False
        self._unreachable = 0
        self._under_way: dict[int, _Work] = {}
        self._tasks = Tasks()
        self._ends = Ends(client, self._tasks)
        #: How many jobs ended, and the number of those that ended since the records were read that are planned with.
        self._ended_jobs = 0
        self._ended: dict[int, int] = {}
        self._limits: list[tuple[float, int]] = []
        self.skipped = 0
        self.left = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            journal = self._given
            if journal is None:
                journal = await stack.enter_async_context(SqliteJournal(self._output))
            await journal.bind(self._client.base_url, lasting=not self._ephemeral)
            # Closed before the journal is.
            await stack.enter_async_context(self._tasks)
            self._opened = journal
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened = None
        await self._exit.aclose()

    def stop(self) -> None:
        """Take up no more recordings; those that are under way, and may be paid for, end and are told."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, by the caller or because nothing more could succeed."""
        return self._stopped

    @property
    def unreachable(self) -> bool:
        """Whether it was stopped because the service could not be reached."""
        return self._unreachable >= UNREACHABLE

    @property
    def exhausted(self) -> bool:
        """Whether `max_hours` kept something from being submitted."""
        return self._allowance.exhausted

    @property
    def unreadable(self) -> list[Unreadable]:
        """Folders that could not be read so far."""
        return self._discovery.unreadable

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            raise RuntimeError("the batch is not open: use it in `async with Batch(...) as batch:`")
        return self._opened

    async def count(self, sources: Sequence[str]) -> int:
        """How many recordings there are."""
        return await Discovery(sources, self._output).count()

    async def survey(self, sources: Sequence[str]) -> AsyncGenerator[Prospect, None]:
        """What `run` would do about each recording, and how long the new ones are. Sends nothing.

        Lengths are probed a few at a time and kept in the journal. Files that were not seen before are not read, so
        that two with the same content count as two.

        Raises:
            JournalError: The journal can't be read or written.
        """
        self._discovery = Discovery(sources, self._output)
        async for items in self._discovery.chunks():
            finds = await self._finds(items)
            prospects = [self._prospect(find) for find in finds]
            lengths = [find.recording.seconds if find.recording else None for find in finds]
            unknown = [
                number
                for number, prospect in enumerate(prospects)
                if prospect is Plan.WORK and lengths[number] is None and isinstance(finds[number].item.source, Path)
            ]
            try:
                async with anyio.create_task_group() as group:
                    for number in unknown:
                        group.start_soon(self._measure, finds[number], lengths, number)
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            for find, prospect, seconds in zip(finds, prospects, lengths, strict=True):
                submitted = find.job is not None and bool(find.job.ids or find.job.doubtful_url)
                usable = submitted or find.look is not None or not isinstance(find.item.source, Path)
                yield Prospect(find.item, prospect, seconds, submitted=submitted, usable=usable)

    def _prospect(self, find: _Find) -> Plan:
        if find.job is None:
            return Plan.WORK
        return plan(find.job, there=find.there, retry_failed=self._retry_failed)

    async def _measure(self, find: _Find, lengths: list[float | None], number: int) -> None:
        path, look = find.item.source, find.look
        if look is None or not isinstance(path, Path):
            return
        lengths[number] = seconds = await seconds_of(path)
        known = find.recording or Recording(find.name, name_of(path), look.size, look.modified)
        await self._journal.keep(replace(known, seconds=seconds))

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[BatchOutcome, None]:
        """Transcribe what is not transcribed yet and yield an outcome for each recording, as it ends.

        Recordings whose transcripts are there are skipped; those that were submitted earlier are waited for and not
        sent again. A recording that fails stops nothing.

        Raises:
            JournalError: A step could not be kept. What is under way is left to the service, and picked up by the next
                run. `JournalLost` if a transcript is there that the journal knows nothing of.
        """
        self._discovery = Discovery(sources, self._output)
        works: dict[int, _Work] = {}
        self._limits.append((time.time(), self._client.stats.jobs.limit))
        with self._client.listening(self._heard):
            many = self._client.transcribe_many(self._sources(works), self._config)
            async with aclosing(many) as outcomes:
                async for outcome in outcomes:
                    for ended in await self._end(works.pop(outcome.index), outcome):
                        yield ended
                    await self._keep_limits()
            await self._ends.read()

    async def _sources(
        self, works: dict[int, _Work]
    ) -> AsyncIterator[TranscriptionRequest[Path | str | SignedOnDemand]]:
        """What has to be worked on, each with what is known of it."""
        position = 0
        async for work in self._works():
            works[position] = work
            position += 1
            resume = work.job.resume if work.job else None
            yield TranscriptionRequest(work.items[0][0].source, ledger=work.ledger or NullLedger(), resume=resume)

    async def _works(self) -> AsyncIterator[_Work]:
        async for items in self._discovery.chunks():
            self._ended.clear()
            for found in await self._finds(items):
                if self._stopped:
                    return
                if (work := await self._plan(found)) is not None:
                    yield work

    async def _finds(self, items: Sequence[Item]) -> list[_Find]:
        """What is known of each recording, with as few questions to the disk and the journal as possible."""
        ends = self._ended_jobs
        names = keyed([item.name for item in items])
        # At the same time: of a large batch that is nearly done, this is all there is to do.
        looking = asyncio.get_running_loop().run_in_executor(None, self._look, items)
        try:
            entries = await self._journal.entries(names)
        finally:
            looks = await looking
        finds = []
        for item, name, (look, there) in zip(items, names, looks, strict=True):
            entry = entries.get(name)
            if there and (entry is None or entry.job is None):
                raise JournalLost(self._output / JOURNAL_NAME, self._outputs.paths(item.name)[0])
            find = _Find(item, name, look, there=there and entry is not None and entry.written, ends=ends)
            find.recording = _recognised(item, name, entry, look)
            if entry is not None and find.recording is entry.recording:
                find.job = self._known_job(entry)
            finds.append(find)
        new = [find for find in finds if find.recording is not None and find.job is None]
        if new:
            jobs = await self._journal.assign([find.recording for find in new if find.recording], self._fingerprint)
            for find, job in zip(new, jobs, strict=True):
                find.job = job
        return finds

    def _look(self, items: Sequence[Item]) -> list[tuple[Look | None, bool]]:
        """Each recording's file, and whether all its outputs exist. On a thread."""
        return [
            (
                look_at(item.source) if isinstance(item.source, Path) else None,
                self._outputs.exist(item.name),
            )
            for item in items
        ]

    def _known_job(self, entry: Entry) -> JobRecord | None:
        same = entry.job is not None and (entry.job.content, entry.job.config) == (
            entry.recording.content,
            self._fingerprint,
        )
        return entry.job if same else None

    async def _plan(self, find: _Find) -> _Work | None:
        job = await self._present_job(find)
        if job is None:
            # It can't be read: its job says why, and nothing of it is worth keeping.
            return _Work([(find.item, find.name)])
        under_way = job.key in self._under_way
        match plan(job, there=find.there, under_way=under_way, retry_failed=self._retry_failed):
            case Plan.NOTHING:
                self.skipped += 1
                return None
            case Plan.LEAVE:
                self.left += 1
                return None
            case Plan.SHARE:
                self._under_way[job.key].items.append((find.item, find.name))
                return None
            case Plan.BEGIN_AGAIN:
                job = await self._journal.begin_again(job.key)
        work = _Work([(find.item, find.name)], job, JournalLedger(self._journal, job.key, job.times))
        if not job.ids and job.doubtful_url is None and not await self._afford(find, work):
            return None
        self._under_way[job.key] = work
        return work

    async def _afford(self, find: _Find, work: _Work) -> bool:
        """Whether the allowance has room for a new job; if not, no further one is taken up."""
        if not self._allowance.is_limited:
            return True
        seconds = None
        if find.recording is not None and isinstance(find.item.source, Path):
            seconds = find.recording.seconds or await seconds_of(find.item.source)
            await self._journal.keep(replace(find.recording, seconds=seconds))
        work.counted = self._allowance.admit(seconds)
        if work.counted is None:
            self._stopped = True
        return not self._stopped

    async def _present_job(self, find: _Find) -> JobRecord | None:
        """The job of a recording as it is now; None if the recording can't be read."""
        if find.recording is None:
            find.recording = await _read(find)
        # What was read before the job ended would have it paid for once more.
        while find.recording is not None and (find.job is None or self._ended.get(find.job.key, 0) > find.ends):
            find.ends = self._ended_jobs
            (find.job,) = await self._journal.assign([find.recording], self._fingerprint)
        return find.job

    async def _end(
        self, work: _Work, outcome: Outcome[TranscriptionRequest[Path | str | SignedOnDemand]]
    ) -> list[BatchOutcome]:
        """Write the transcript for all recordings of a job, and keep how it ended."""
        if work.job is not None:
            # First, so that no recording joins a job whose transcript is being written already.
            del self._under_way[work.job.key]
            self._ended_jobs += 1
            self._ended[work.job.key] = self._ended_jobs
        elapsed = time.monotonic() - work.begun
        ended, written = [], []
        for item, name in work.items:
            error, files = outcome.error, tuple[Path, ...]()
            if outcome.transcript is not None:
                error, files = await self._write(item, outcome.transcript)
            if error is None:
                written.append(name)
            ended.append(BatchOutcome(item, outcome.transcript, error, files, outcome.submissions, elapsed))
        await self._keep_end(work, outcome, written)
        await self._keep_problems(work, ended)
        return ended

    async def _keep_end(
        self, work: _Work, outcome: Outcome[TranscriptionRequest[Path | str | SignedOnDemand]], written: Sequence[str]
    ) -> None:
        self._unreachable = self._unreachable + 1 if isinstance(outcome.error, ConnectFailed) else 0
        if isinstance(outcome.error, AccountError | JournalError) or self._unreachable >= UNREACHABLE:
            # Every further one would fail alike.
            self._stopped = True
        if work.job is None or work.ledger is None:
            return
        if work.counted is not None:
            self._allowance.correct(work.counted, outcome.transcript.audio_duration if outcome.transcript else 0.0)
        if outcome.transcript is not None:
            if not work.job.ids and work.job.doubtful_url is None:
                self._ends.add(outcome.transcript.id, work.ledger)
            # Only when it is written for all: what is missing is fetched again by the next run, and not paid for.
            if len(written) == len(work.items):
                seconds = outcome.transcript.audio_duration
                await self._journal.completed(work.job.key, written, seconds, work.ledger.times)
        elif isinstance(outcome.error, TranscriptionFailed):
            category = outcome.error.category.value
            await self._journal.failed(work.job.key, str(outcome.error), category, work.ledger.times)
        elif isinstance(outcome.error, WaitRefused) and isinstance(outcome.error.refusal, NotFound):
            reason = f"{outcome.error}; --retry-failed transcribes it anew, which is paid for"
            await self._journal.failed(work.job.key, reason, "gone", work.ledger.times)
        elif isinstance(outcome.error, BadRequest):
            await self._journal.failed(work.job.key, str(outcome.error), "refused", work.ledger.times)

    async def _keep_problems(self, work: _Work, ended: Sequence[BatchOutcome]) -> None:
        """What the next run tries again is kept with its reason, for those who look at the journal."""
        for (item, name), outcome in zip(work.items, ended, strict=True):
            if outcome.error is not None and not isinstance(outcome.error, _LASTING | JournalError):
                await self._journal.problem(Recording(name, name_of(item.source)), str(outcome.error))

    async def _write(self, item: Item, transcript: Transcript) -> tuple[Exception | None, tuple[Path, ...]]:
        try:
            return None, tuple(await self._outputs.write(item.name, transcript))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._stopped = True
            # The transcript is paid for: say where it can be had again.
            error.add_note(f"the transcript is at the service: asyncscribe knows it as {transcript.id}")
            return error, ()

    def _heard(self, event: Event) -> None:
        if isinstance(event, LimitChanged):
            self._limits.append((time.time(), event.limit))

    async def _keep_limits(self) -> None:
        limits, self._limits = self._limits, []
        for moment, limit in limits:
            await self._journal.limit(moment, limit)


def _recognised(item: Item, name: str, entry: Entry | None, look: Look | None) -> Recording | None:
    """The recording with its identity, if that can be told without reading the file."""
    known = entry.recording if entry else None
    if not isinstance(item.source, Path):
        content, source = item.content or content_of_url(str(item.source)), name_of(item.source)
        same = known is not None and (known.content, known.source) == (content, source)
        return known if same else Recording(name, source, content=content)
    if known is None or known.content is None:
        return None
    if look is None:
        # Of a file that is gone, what was sent earlier can still be had.
        return None if item.source.exists() else known
    if (known.size, known.modified) != (look.size, look.modified):
        return None
    # The same place may have been named from elsewhere.
    same = known.source == name_of(item.source) or Path(known.source).absolute() == item.source.absolute()
    return known if same else None


async def _read(find: _Find) -> Recording | None:
    path, look = find.item.source, find.look
    if look is None or not isinstance(path, Path):
        return None
    try:
        content = await content_of_file(path)
    except OSError:
        return None
    return Recording(find.name, name_of(path), look.size, look.modified, content)

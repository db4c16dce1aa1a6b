"""`Batch`: discovers recordings, has them transcribed, writes the transcripts, and remembers all of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from asyncscribe.batch.allowance import Admission, Allowance
from asyncscribe.batch.claims import Alone, Claims
from asyncscribe.batch.completion_times import CompletionTimes
from asyncscribe.batch.finding import Candidate, Finder, read
from asyncscribe.batch.inputs.discovery import BatchItem, Discovery, Unreadable, is_url
from asyncscribe.batch.inputs.identity import fingerprint, stamp_of
from asyncscribe.batch.inputs.probing import Length, can_probe, length_of
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.journal.migration import EMBEDDED
from asyncscribe.batch.journal.records import JobRecord, Journal, SavedState
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, SqliteJournal
from asyncscribe.batch.outputs import FolderOutputs, Format, Outputs
from asyncscribe.batch.planning import Plan, is_paid, plan
from asyncscribe.batch.stored_outputs import StoreOutputs
from asyncscribe.batch.under_way import UnderWay, Work
from asyncscribe.batch.verdict import Ending, Reachability, fills_up, judge
from asyncscribe.client import AsyncClient
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import (
    AllowanceSpent,
    AuthenticationError,
    ConfigurationError,
    JournalError,
    NotFound,
    SourceError,
)
from asyncscribe.events import Event, LimitChanged
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript
from asyncscribe.requests import Outcome, TranscriptionRequest
from asyncscribe.sources import SignedOnDemand, name_of, resolve

#: Ids that are asked for before an account is called another one.
KNOWN_IDS = 3
#: Recordings that are looked up at once.
CHUNK = 250

Request = TranscriptionRequest[Path | str | SignedOnDemand]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How one recording of a batch ended.

    Attributes:
        item: The recording, with the name that it has in the output folder.
        transcript: Its transcript, also when it could not be written.
        error: Why there are no files; None if there are.
        files: The files that were written, or the addresses of objects.
        submissions: How many times it was submitted.
        elapsed: Seconds from when it was taken up to the end.
    """

    item: BatchItem
    transcript: Transcript | None
    error: Exception | None
    files: tuple[PurePath | str, ...]
    submissions: int
    elapsed: float


class Batch:
    """Transcribes folders, files and URLs into a folder, and goes on where an earlier run ended.

    An async context manager, which holds the output folder and its journal:

        async with Batch(client, "transcripts") as batch:
            async for outcome in batch.run(["recordings/"]):
                ...

    Args:
        client: An open client.
        output: Where the transcripts go: `<relative path with its suffix>.<format>`. An object store
            (`s3://bucket/prefix`) needs a `journal` that is elsewhere.
        formats: What is written for each recording.
        config: What the service is asked to do.
        retry_failed: Try again what failed for good in an earlier run.
        max_hours: Pay for no more than so many hours of audio in this run, each channel counted if all
            are transcribed. What does not fit is left to the next run; what is paid already is fetched all the same.
        ephemeral: The service ends with this process, as an embedded server does, and what it has with it: the next
            run begins again what is not done.
        journal: Where the steps are kept; default: a file in the output folder.
        claims: Which jobs are this process's, where others work on the same journal (`batch.cluster`); default: all.

    Raises (on entering):
        JournalError: The journal can't be used, or is of another account; `JournalBusy` if another process works on
            the folder.

    Attributes:
        skipped: Recordings whose transcripts were there already.
        left: Recordings that failed for good in an earlier run and were left alone.
    """

    def __init__(
        self,
        client: AsyncClient,
        output: str | Path,
        *,
        formats: Sequence[Format | str] = (Format.JSON,),
        config: TranscriptionConfig | None = None,
        retry_failed: bool = False,
        max_hours: float | None = None,
        ephemeral: bool = False,
        journal: Journal | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._client = client
        self._output = None if is_store(str(output)) else Path(output)
        if self._output is None and journal is None:
            raise ConfigurationError("an object store can't hold the journal: give a database by `journal`")
        self._outputs = _outputs(str(output), formats, trusting=claims is not None)
        self._lost = (self._output or Path()) / JOURNAL_NAME
        self._config = config or TranscriptionConfig()
        self._fingerprint = fingerprint(self._config)
        self._retry_failed = retry_failed
        self._allowance = Allowance(None if max_hours is None else 3600 * max_hours)
        self._ephemeral = ephemeral
        self._service = EMBEDDED if ephemeral else client.base_url
        self._given = journal
        self._claims = claims
        self._elsewhere: list[BatchItem] = []
        self._sharing = 0
        self._opened: Journal | None = None
        self._exit = AsyncExitStack()
        self._discovery = Discovery((), self._output)
        self._stopped = False
        self._reachability = Reachability()
        self._under_way = UnderWay()
        self._tasks = Tasks()
        self._ends = CompletionTimes(client, self._tasks)
        self._begun = 0.0
        self._limits: list[tuple[float, int]] = []
        self.skipped = 0
        self.left = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            journal = self._given
            if journal is None:
                journal = await stack.enter_async_context(SqliteJournal(self._lost.parent))
            await self._check_account(journal)
            await journal.bind(self._service, lasting=not self._ephemeral)
            # Closed before the journal is.
            await stack.enter_async_context(self._tasks)
            self._opened = journal
            self._claims = self._claims or Alone(journal)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened = None
        await self._exit.aclose()

    async def _check_account(self, journal: Journal) -> None:
        """Refuse another account's key: to it, all that is paid would look as if it were gone."""
        if self._ephemeral:
            return
        salt = await journal.fact("salt")
        if salt is None:
            salt = secrets.token_hex(16)
            await journal.keep_fact("salt", salt)
        fact, digest = f"key {self._service}", self._client.key_digest(salt)
        before = await journal.fact(fact)
        if before == digest:
            return
        known = await journal.latest_ids(self._service, KNOWN_IDS)
        for transcript_id in known:
            try:
                await self._client.get(transcript_id)
                break
            except NotFound:
                continue
        else:
            # Of a journal that knows of no key yet, old transcripts may have been deleted by the service meanwhile.
            if known and before is not None:
                raise JournalError(
                    self._lost,
                    "it is of another account, whose jobs this key can't see: use that key, or another output folder",
                )
        await journal.keep_fact(fact, digest)

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
        return self._reachability.is_lost

    @property
    def exhausted(self) -> bool:
        """Whether `max_hours` kept something from being submitted."""
        return self._allowance.exhausted

    @property
    def unreadable(self) -> list[Unreadable]:
        """Places of which nothing was taken so far."""
        return self._discovery.unreadable

    @property
    def _ours(self) -> Claims:
        if self._claims is None:
            raise RuntimeError("the batch is not open: use it in `async with Batch(...) as batch:`")
        return self._claims

    @property
    def _claims_alone(self) -> bool:
        return isinstance(self._claims, Alone)

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            raise RuntimeError("the batch is not open: use it in `async with Batch(...) as batch:`")
        return self._opened

    async def count(self, sources: Sequence[str]) -> int:
        """How many recordings there are."""
        return await Discovery(sources, self._output).count()

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[BatchOutcome, None]:
        """Transcribe what is not transcribed yet and yield an outcome for each recording, as it ends.

        Recordings whose transcripts are there are skipped; those that were submitted earlier are waited for and not
        sent again. A recording that fails stops nothing.

        Raises:
            ConfigurationError: `max_hours` is given, and lengths of files can't be told: PyAV is not installed.
            JournalError: A step could not be kept. What is under way is left to the service, and picked up by the next
                run. `JournalLost` if a transcript is there that the journal knows nothing of.
        """
        if self._allowance.is_limited and not can_probe() and not all(is_url(s) or is_store(s) for s in sources):
            raise ConfigurationError("an allowance needs the lengths of files: pip install 'asyncscribe[probe]'")
        works: dict[int, Work] = {}
        self._begun = time.time()
        self._limits.append((time.time(), self._client.stats.jobs.limit))
        with self._client.listening(self._heard):
            many = self._client.transcribe_many(self._requests(sources, works), self._config)
            try:
                async with aclosing(many) as outcomes:
                    async for outcome in outcomes:
                        for ended in await self._end(works.pop(outcome.index), outcome):
                            yield ended
                        await self._keep_limits()
                        self._share()
            except AuthenticationError:
                # It is the error of an outcome, and has stopped the batch.
                if not self._stopped:
                    raise
            await self._ends.read()

    # Taking up.

    async def _requests(self, sources: Sequence[str], works: dict[int, Work]) -> AsyncIterator[Request]:
        """What has to be worked on, each with what is known of it."""
        position = 0
        async for work in self._works(sources):
            works[position] = work
            position += 1
            find = work.candidates[0]
            if work.job is None or work.ledger is None:
                yield TranscriptionRequest(_unreadable(find))
            else:
                resume = self._ours.resume(work.job)
                yield TranscriptionRequest(find.item.source, ledger=work.ledger, resume=resume)

    async def _works(self, sources: Sequence[str]) -> AsyncIterator[Work]:
        self._discovery = Discovery(sources, self._output)
        self._share()
        again = False
        async for find in self._finds(self._discovery.chunks()):
            work, put_off = await self._take_up(find, first=True)
            again = again or put_off
            if work is not None:
                yield work
        if again:
            # What is of unknown length comes last, one after the other, and is looked for once more: it may be all.
            async for find in self._finds(Discovery(sources, self._output).chunks()):
                work, _ = await self._take_up(find, first=False)
                if work is not None:
                    yield work
        async for work in self._left_by_others():
            yield work

    async def _left_by_others(self) -> AsyncIterator[Work]:
        """What others had when it was found, until it is done: should one of them end, somebody has to go on."""
        while self._elsewhere and not self._stopped:
            await self._ours.pause()
            self._share()
            items, self._elsewhere = self._elsewhere, []
            async for find in self._finds(_chunks(items)):
                work, _ = await self._take_up(find, first=True)
                if work is not None:
                    yield work

    def _share(self) -> None:
        """Leave the others their part of the requests."""
        if self._ours.others != self._sharing:
            self._sharing = self._ours.others
            self._client.share_allowance(1 + self._sharing)

    async def _finds(self, chunks: AsyncIterator[list[BatchItem]]) -> AsyncIterator[Candidate]:
        finder = Finder(
            self._journal, self._outputs, self._service, self._fingerprint, self._discovery.covers, self._lost
        )
        async for items in chunks:
            read_at = self._under_way.forget()
            for find in await finder.find(items):
                if self._stopped:
                    return
                since = read_at
                if find.recording.content is None and await read(find):
                    since = self._under_way.moment
                    await finder.assign([find])
                # What was read before the job ended would have it paid for once more.
                while find.job is not None and self._under_way.has_ended(find.job.key, since):
                    since = self._under_way.moment
                    await finder.assign([find])
                    await finder.look_again(find)
                yield find

    async def _take_up(self, find: Candidate, *, first: bool) -> tuple[Work | None, bool]:
        """The work that a recording is, None for none; and whether it is put off, as its length is not known."""
        job = find.job
        if job is None:
            # It can't be read: its job says why, and nothing of it is worth keeping.
            return (Work([find]) if first else None), False
        if not first and not await self._was_put_off(find, job):
            return None, False
        what = self._plan(find, job)
        if what in {Plan.WORK, Plan.BEGIN_AGAIN}:
            if not await self._ours.claim(find) or find.job is None:
                self._elsewhere.append(find.item)
                return None, False
            # Others may have gone on with it since it was looked up.
            job = find.job
            what = self._plan(find, job)
        match what:
            case Plan.NOTHING | Plan.LEAVE:
                self.skipped += first and what is Plan.NOTHING
                self.left += first and what is Plan.LEAVE
                return None, False
            case Plan.SHARE:
                self._under_way.share(job.key, find)
                return None, False
        return await self._begin(find, job, what, first=first)

    def _plan(self, find: Candidate, job: JobRecord) -> Plan:
        return plan(
            job,
            formats=self._outputs.formats,
            outputs_exist=find.outputs_exist,
            files=find.files,
            under_way=self._under_way.has(job.key),
            retry_failed=self._retry_failed,
        )

    async def _begin(self, find: Candidate, job: JobRecord, what: Plan, *, first: bool) -> tuple[Work | None, bool]:
        limited = self._allowance.is_limited and (what is Plan.BEGIN_AGAIN or not is_paid(job))
        length = await self._length(find) if limited else None
        if limited and length is None and first and self._claims_alone:
            return None, True
        if limited and not await self._is_granted(length):
            return None, False
        if what is Plan.BEGIN_AGAIN:
            job = await self._journal.begin_again(job.key)
        ledger = self._ours.ledger(job, length if limited else None, partial(_check_unchanged, find))
        work = Work([find], job, ledger, counts=limited, length=length)
        self._under_way.begin(work)
        return work, False

    async def _was_put_off(self, find: Candidate, job: JobRecord) -> bool:
        """Whether it is for a recording's length alone that nothing was done about it the first time."""
        # One that was submitted since then has the content of another one that was put off.
        anew = not is_paid(job) or job.step is SavedState.FAILED or job.times.get("submitting", 0.0) >= self._begun
        return anew and await self._length(find) is None

    async def _length(self, find: Candidate) -> float | None:
        """Seconds of audio that are paid for; None if that is not known."""
        path = find.item.source
        if not isinstance(path, Path):
            return None
        if find.recording.seconds is not None and not self._config.multichannel:
            return find.recording.seconds
        length = await length_of(path)
        if length is None:
            return None
        find.recording = replace(find.recording, seconds=length.seconds)
        await self._journal.keep(find.recording)
        return length.billed(each_channel=self._config.multichannel)

    async def _is_granted(self, length: float | None) -> bool:
        if not self._claims_alone:
            fits = await self._ours.fits(length)
            self._allowance.exhausted = self._allowance.exhausted or not fits
            return fits and not self._stopped
        while True:
            ended = self._under_way.next_end()
            match self._allowance.admit(length):
                case Admission.GRANTED:
                    return not self._stopped
                case Admission.REFUSED:
                    return False
            await ended.wait()
            if self._stopped:
                return False

    # Ending.

    async def _end(self, work: Work, outcome: Outcome[Request]) -> list[BatchOutcome]:
        """Write the transcript for all recordings of a job, and keep how it ended."""
        # First, so that no recording joins a job whose transcript is being written already.
        self._under_way.end(work)
        if isinstance(outcome.error, AllowanceSpent):
            # Others have taken what was left when it was looked up.
            self._allowance.exhausted = True
            self._under_way.ended()
            return []
        elapsed = time.monotonic() - work.begun
        ended: list[BatchOutcome] = []
        written: dict[str, Sequence[str]] = {}
        for find in work.candidates:
            error, files = outcome.error, tuple[PurePath | str, ...]()
            if outcome.transcript is not None:
                error, files = await self._write(find, outcome.transcript)
            if error is None:
                written[find.recording.identity] = self._outputs.formats
            item = replace(find.item, name=find.name)
            ended.append(BatchOutcome(item, outcome.transcript, error, files, outcome.submissions, elapsed))
        try:
            await self._keep_end(work, outcome, written)
            for find, one in zip(work.candidates, ended, strict=True):
                # What the next run tries again is kept with its reason, for those who look at the journal.
                is_open = one.transcript is not None or judge(one.error).ending is Ending.OPEN
                if one.error is not None and is_open and not isinstance(one.error, JournalError):
                    await self._journal.problem(find.recording, str(one.error))
        finally:
            if work.counts:
                self._allowance.ended(work.length, self._billed(outcome))
            self._under_way.ended()
        return ended

    async def _keep_end(self, work: Work, outcome: Outcome[Request], written: Mapping[str, Sequence[str]]) -> None:
        verdict = judge(outcome.error)
        self._reachability.ended(outcome.error)
        if verdict.stops or self._reachability.is_lost:
            # Every further one would fail alike.
            self._stopped = True
        if work.job is None or work.ledger is None:
            return
        key, times = work.job.key, work.ledger.times
        if outcome.transcript is not None:
            if not is_paid(work.job):
                self._ends.add(outcome.transcript.id, work.ledger)
            # What is missing is fetched again by the next run, and not paid for.
            if written:
                await self._journal.completed(key, written, outcome.transcript.audio_duration, times)
                await self._ours.settle(work.job, self._billed(outcome))
        elif verdict.ending is Ending.FAILED:
            await self._journal.failed(key, verdict.reason, verdict.category, times)

    def _billed(self, outcome: Outcome[Request]) -> float | None:
        """Seconds that are paid for, 0 if nothing is; None if that is not known."""
        if outcome.transcript is None:
            return 0.0
        seconds, channels = outcome.transcript.audio_duration, outcome.transcript.audio_channels
        if seconds is None:
            return None
        return Length(seconds, max(1, channels or 1)).billed(each_channel=self._config.multichannel)

    async def _write(
        self, find: Candidate, transcript: Transcript
    ) -> tuple[Exception | None, tuple[PurePath | str, ...]]:
        if find.files.keys() & set(self._outputs.formats):
            # Should the process end before the new files are kept, the old ones must not be taken for them.
            await self._journal.rewriting(find.recording.identity, self._outputs.formats)
        try:
            return None, tuple(await self._outputs.write(find.name, transcript))
        except (OSError, ValueError) as error:
            if fills_up(error):
                self._stopped = True
            # The transcript is paid for: say where it is.
            error.add_note(f"the transcript is at the service: asyncscribe get {transcript.id}")
            return error, ()

    def _heard(self, event: Event) -> None:
        if isinstance(event, LimitChanged):
            self._limits.append((time.time(), event.limit))

    async def _keep_limits(self) -> None:
        limits, self._limits = self._limits, []
        for moment, limit in limits:
            await self._journal.limit(moment, limit)


async def _check_unchanged(find: Candidate) -> None:
    """Check that a file is still what was hashed: what was sent is to be what is recorded.

    Raises:
        SourceError: It is not.
    """
    path = find.item.source
    if isinstance(path, Path):
        stamp = await asyncio.get_running_loop().run_in_executor(None, stamp_of, path)
        if stamp != find.stamp:
            raise SourceError(name_of(path), "it was changed while it was sent; the next run sends it again")


def _outputs(output: str, formats: Sequence[Format | str], *, trusting: bool) -> Outputs:
    if is_store(output):
        return StoreOutputs(output, formats)
    return FolderOutputs(Path(output), formats, trusting=trusting)


async def _chunks(items: Sequence[BatchItem]) -> AsyncIterator[list[BatchItem]]:
    for start in range(0, len(items), CHUNK):
        yield list(items[start : start + CHUNK])


def _unreadable(find: Candidate) -> SignedOnDemand:
    """Stands for a recording that can't be read; it says why, and nothing is sent."""
    source: Any = find.item.source

    async def explain() -> str:
        await resolve(source)
        raise SourceError(name_of(source), "it can't be read, or is being written; the next run tries it again")

    return SignedOnDemand(name_of(source), explain)

"""`Batch`: discovers recordings, has them transcribed, writes the transcripts, and remembers all of it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from asyncscribe.batch.account import check_account
from asyncscribe.batch.allowance import Allowance
from asyncscribe.batch.claims import Alone, Claims
from asyncscribe.batch.completion_times import CompletionTimes
from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.inputs.discovery import BatchItem, Discovery, Unreadable, is_url
from asyncscribe.batch.inputs.probing import Length, can_probe
from asyncscribe.batch.inputs.stores import is_store
from asyncscribe.batch.intake import Assignment, Intake
from asyncscribe.batch.journal.migration import EMBEDDED
from asyncscribe.batch.journal.records import Journal
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME, SqliteJournal
from asyncscribe.batch.outputs import FolderOutputs, Format, Outputs
from asyncscribe.batch.planning import is_paid
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
    SourceError,
)
from asyncscribe.events import Event, LimitChanged
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript
from asyncscribe.requests import Outcome, TranscriptionRequest
from asyncscribe.sources import SignedOnDemand, name_of, resolve

NOT_OPEN = "the batch is not open: use it in `async with Batch(...) as batch:`"

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
    """Transcribes folders, files and URLs into a folder, and resumes where an earlier run ended.

    An async context manager that holds the output folder and its journal:

        async with Batch(client, "transcripts") as batch:
            async for outcome in batch.run(["recordings/"]):
                ...

    Args:
        client: An open client.
        output: Where the transcripts go: `<relative path with its suffix>.<format>`. An object store
            (`s3://bucket/prefix`) needs a `journal` elsewhere.
        formats: What is written for each recording.
        config: What the service is asked to do.
        retry_failed: Retry recordings that failed for good in an earlier run.
        max_hours: The hours of audio that this run may pay for, counting each channel if all are transcribed. What
            does not fit is left to the next run; what is paid already is still fetched.
        ephemeral: The service ends with this process and loses its jobs, as an embedded server does: the next run
            begins unfinished ones again.
        journal: Where the steps are kept; default: a file in the output folder.
        claims: Which jobs this process may work on, if others share the journal (`batch.cluster`); default: all.

    Raises (on entering):
        JournalError: The journal can't be used, or belongs to another account; `JournalBusy` if another process uses
            the folder.
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
        self._allowance = Allowance(None if max_hours is None else 3600 * max_hours)
        self._ephemeral = ephemeral
        self._service = EMBEDDED if ephemeral else client.base_url
        self._assignment = Assignment(
            self._outputs, self._output, self._lost, self._service, self._config, retry_failed
        )
        self._given = journal
        self._claims = claims
        self._intake: Intake | None = None
        self._sharing = 0
        self._opened: Journal | None = None
        self._exit = AsyncExitStack()
        self._stopped = False
        self._reachability = Reachability()
        self._under_way = UnderWay()
        self._tasks = Tasks()
        self._ends = CompletionTimes(client, self._tasks)
        self._limits: list[tuple[float, int]] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._claims is not None and self._claims.is_limited != self._allowance.is_limited:
                raise ConfigurationError(
                    "an allowance is shared: give `max_hours` here and `allowed` to `joined`, or neither"
                )
            journal = self._given
            if journal is None:
                journal = await stack.enter_async_context(SqliteJournal(self._lost.parent))
            if not self._ephemeral:
                await check_account(journal, self._client, self._service, self._lost)
            await journal.bind(self._service, lasting=not self._ephemeral)
            # Closed before the journal is.
            await stack.enter_async_context(self._tasks)
            self._opened = journal
            self._claims = self._claims or Alone(journal)
            self._intake = Intake(
                self._assignment,
                journal,
                self._claims,
                self._allowance,
                self._under_way,
                lambda: self._stopped,
                self._share,
            )
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened = None
        await self._exit.aclose()

    def stop(self) -> None:
        """Take up no more recordings; those under way, which may be paid for, still end with an outcome."""
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
        """Places from which nothing was taken so far."""
        return self._intake.unreadable if self._intake is not None else []

    @property
    def skipped(self) -> int:
        """Recordings whose transcripts existed already."""
        return self._intake.skipped if self._intake is not None else 0

    @property
    def left(self) -> int:
        """Recordings that failed for good in an earlier run and were left alone."""
        return self._intake.left if self._intake is not None else 0

    @property
    def _ours(self) -> Claims:
        if self._claims is None:
            raise RuntimeError(NOT_OPEN)
        return self._claims

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            raise RuntimeError(NOT_OPEN)
        return self._opened

    async def count(self, sources: Sequence[str]) -> int | None:
        """How many recordings there are; None if other processes share a store, because only one of them lists it."""
        if self._claims is not None and not isinstance(self._claims, Alone) and any(map(is_store, sources)):
            return None
        return await Discovery(sources, self._output).count()

    async def run(self, sources: Sequence[str]) -> AsyncGenerator[BatchOutcome, None]:
        """Transcribe what is not transcribed yet, and yield an outcome for each recording as it ends.

        Recordings whose transcripts exist are skipped; those that were submitted earlier are waited for and not sent
        again. A recording that fails stops nothing.

        Raises:
            ConfigurationError: `max_hours` is given, and PyAV, which measures files, is not installed.
            RuntimeError: The batch is not open.
            JournalError: A step could not be kept. Jobs at the service continue there, and the next run picks them up.
                `JournalLost` if a transcript exists that the journal does not know.
        """
        if self._opened is None or self._intake is None:
            raise RuntimeError(NOT_OPEN)
        if self._allowance.is_limited and not can_probe() and not all(is_url(s) or is_store(s) for s in sources):
            raise ConfigurationError("an allowance needs the lengths of files: pip install 'asyncscribe[probe]'")
        works: dict[int, Work] = {}
        self._limits.append((time.time(), self._client.stats.jobs.limit))
        with self._client.listening(self._heard):
            many = self._client.transcribe_many(self._requests(self._intake, sources, works), self._config)
            try:
                async with aclosing(many) as outcomes:
                    async for outcome in outcomes:
                        for ended in await self._end(works.pop(outcome.index), outcome):
                            yield ended
                        await self._keep_limits()
                        self._share()
            except AuthenticationError:
                # An outcome had the same error, and has stopped the batch.
                if not self._stopped:
                    raise
            await self._ends.read()

    async def _requests(
        self, intake: Intake, sources: Sequence[str], works: dict[int, Work]
    ) -> AsyncGenerator[Request, None]:
        """The requests of the works, each with what is known of it."""
        position = 0
        async with aclosing(intake.works(sources)) as taken:
            async for work in taken:
                works[position] = work
                position += 1
                find = work.candidates[0]
                if work.job is None or work.ledger is None:
                    yield TranscriptionRequest(_unreadable(find))
                else:
                    resume = self._ours.resume(work.job)
                    yield TranscriptionRequest(find.item.source, ledger=work.ledger, resume=resume)

    def _share(self) -> None:
        """Leave the other processes their part of the request allowance."""
        if self._ours.others != self._sharing:
            self._sharing = self._ours.others
            self._client.share_allowance(1 + self._sharing)

    # Ending.

    async def _end(self, work: Work, outcome: Outcome[Request]) -> list[BatchOutcome]:
        """Write the transcript for all recordings of a job, and keep how it ended."""
        # First, so that no recording joins a job whose transcript is already being written.
        self._under_way.end(work)
        if isinstance(outcome.error, AllowanceSpent):
            # Others have taken what was left at the lookup.
            self._allowance.exhausted = True
            if work.job is not None:
                await self._ours.release(work.job)
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
                # If the next run tries again, `batch status` and `export` show this reason.
                is_open = one.transcript is not None or judge(one.error).ending is Ending.OPEN
                if one.error is not None and is_open and not isinstance(one.error, JournalError):
                    await self._journal.problem(find.recording, str(one.error))
            if work.job is not None and not written and judge(outcome.error).ending is not Ending.FAILED:
                await self._ours.release(work.job)
        finally:
            if work.counts:
                self._allowance.ended(work.length, self._billed(outcome))
            self._under_way.ended()
        return ended

    async def _keep_end(self, work: Work, outcome: Outcome[Request], written: Mapping[str, Sequence[str]]) -> None:
        verdict = judge(outcome.error)
        self._reachability.ended(outcome.error)
        if verdict.stops or self._reachability.is_lost:
            # All further ones would fail the same way.
            self._stopped = True
        if work.job is None or work.ledger is None:
            return
        key, times = work.job.key, work.ledger.times
        if outcome.transcript is not None:
            if not is_paid(work.job):
                self._ends.add(outcome.transcript.id, work.ledger)
            # If nothing was written, the next run fetches it again without paying.
            # First: if this process ends in between, the next owner finds what the job really took.
            await self._ours.settle(work.job, self._billed(outcome))
            if written:
                await self._journal.completed(key, written, outcome.transcript.audio_duration, times)
        elif verdict.ending is Ending.FAILED:
            await self._journal.failed(key, verdict.reason, verdict.category, times)

    def _billed(self, outcome: Outcome[Request]) -> float | None:
        """Seconds that are paid for, 0 if none; None if unknown."""
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
            # If the process ends before the new files are recorded, the old ones must not be mistaken for them.
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


def _outputs(output: str, formats: Sequence[Format | str], *, trusting: bool) -> Outputs:
    if is_store(output):
        return StoreOutputs(output, formats)
    return FolderOutputs(Path(output), formats, trusting=trusting)


def _unreadable(find: Candidate) -> SignedOnDemand:
    """A source for a recording that can't be read: it raises the reason, and nothing is sent."""
    source: Any = find.item.source

    async def explain() -> str:
        await resolve(source)
        raise SourceError(name_of(source), "it can't be read, or is being written; the next run tries it again")

    return SignedOnDemand(name_of(source), explain)

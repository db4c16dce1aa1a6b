"""`AsyncClient`: builds the parts from what it is given, and names a step per method."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import aiohttp
import anyio

from asyncscribe import settings, sources
from asyncscribe.api.network import Network
from asyncscribe.api.protocol import LONGEST_PAGE
from asyncscribe.api.transcripts import RedactedAudio, SubtitleFormat, Transcripts
from asyncscribe.api.transport import Transport, TransportStatistics
from asyncscribe.arguments import check_kind
from asyncscribe.engine.handle import Job, JobRecord
from asyncscribe.engine.jobs import JobRunner
from asyncscribe.engine.limiter import Limiter, LimiterStatistics
from asyncscribe.engine.pipeline import Pipeline, Sources
from asyncscribe.engine.submission import Submitter
from asyncscribe.engine.tasks import Tasks
from asyncscribe.engine.totals import JobTotals
from asyncscribe.engine.uploads import Uploader
from asyncscribe.engine.watcher import Watcher, WatcherStatistics
from asyncscribe.errors import ConfigurationError, NotOpen, SourceError
from asyncscribe.events import EventHandler, LimitChanged, Listeners, guarded
from asyncscribe.models.pages import ListItem
from asyncscribe.models.results import Match, Passage
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus, UploadUrl
from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import FixedLimit, Limit
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.policies.window import HttpBudget
from asyncscribe.requests import Config, Outcome, TranscriptionRequest, checked
from asyncscribe.settings import Timeouts
from asyncscribe.sources import Source

#: The schedule of status checks: after 1 s, then 1.5 times longer each, up to every 10 s. The vendor's clients check
#: every 3 s; most jobs take longer than a few seconds, and the service allows 66.7 requests a second for everything.
POLLING = Backoff(initial=1.0, factor=1.5, maximum=10.0, jitter=0.1)
#: Uploads at once. One connection rarely fills a line; more than a few only make each of them slower.
UPLOADS = 4

R = TypeVar("R")
S = TypeVar("S", bound=Source)
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """The client's parts at one moment, and what became of its jobs so far.

    Attributes:
        jobs: Slots for jobs.
        uploads: Slots for uploads.
        watcher: Jobs that are waited for at the service.
        transport: Requests that were sent.
        totals: What became of the jobs so far.
    """

    jobs: LimiterStatistics
    uploads: LimiterStatistics
    watcher: WatcherStatistics
    transport: TransportStatistics
    totals: JobTotals


class AsyncClient:
    """A client of AssemblyAI's pre-recorded transcription API, for one job and for many.

    Use it as an async context manager; it can be shared by all tasks of one event loop, and should be, since the
    limits hold per client:

        async with AsyncClient() as client:
            transcript = await client.transcribe("interview.mp3")

    Args:
        api_key: The key; else the environment variable `ASSEMBLYAI_API_KEY`, else the same in `.env`.
        base_url: `"us"`, `"eu"` or an address; else `ASSEMBLYAI_BASE_URL`, else the US region.
        concurrency: Jobs at the service at once. None finds the account's limit, follows it and shares it with other
            clients (`policies.adaptive`); that takes a few jobs too many now and then, for which the service may send
            the account's owner an e-mail. A number (a free account runs 5, a paid one 200 or more) is kept to, and
            lowered while the service queues jobs; a `Limit` decides by its own rule.
        polling: Delays between status checks of a job, seconds.
        uploads: Uploads at once; they do not count as jobs.
        retry: Which failed request is sent again.
        resubmission: Which failed job is submitted again: a policy, or the number of resubmissions after failures
            of the service.
        submission: How a submission whose answer was lost is looked for.
        budget: How many requests are sent in a time; default: the service's allowance for a whole account.
        timeouts: When a silent connection is given up, seconds.
        on_event: Called with every event (`asyncscribe.events`), on the event loop; must not block.
        trust_env: Use the proxies named in the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
        allow_http: Allow an unencrypted address that is not this machine.
        proxy: A proxy for all requests, `http://user:password@host:port`.
        ssl_context: Which certificates are trusted. The default trusts those of the system, or of the file that
            `SSL_CERT_FILE` names when the program starts.
        session: A session of yours, whose connections, cookies, headers and trace configurations are used; it is never
            closed here. Its connector's limit, 100 by default, then bounds all requests and uploads.
        headers: Sent with every request to the service, e.g. for a gateway before it.
        spool: Bytes of each async iterable that are kept on disk while it is uploaded, so that a failed upload can be
            repeated; 0 keeps nothing. At most `uploads` times as many bytes are on disk.

    Raises:
        MissingApiKey: There is no key anywhere.
        ConfigurationError: A setting is not allowed.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        concurrency: int | Limit | None = None,
        polling: Backoff = POLLING,
        uploads: int = UPLOADS,
        retry: RetryPolicy | None = None,
        resubmission: ResubmissionPolicy | int | None = None,
        submission: SubmissionPolicy | None = None,
        budget: HttpBudget | None = None,
        timeouts: Timeouts | None = None,
        on_event: EventHandler | None = None,
        trust_env: bool = False,
        allow_http: bool = False,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        spool: int = 0,
    ) -> None:
        _check(
            api_key=api_key,
            base_url=base_url,
            polling=polling,
            retry=retry,
            resubmission=resubmission,
            submission=submission,
            budget=budget,
            timeouts=timeouts,
            on_event=on_event,
            spool=spool,
        )
        resolved = settings.resolve(api_key, base_url, allow_http=allow_http)
        self._emit = emit = Listeners(on_event)
        self.base_url = resolved.base_url
        self._settings = resolved
        self._transport = Transport(
            resolved,
            timeouts=timeouts,
            retry=retry,
            budget=budget,
            on_event=emit,
            network=Network(trust_env, proxy, ssl_context, session, headers or {}),
        )
        self._tasks = Tasks()
        self._slots = Limiter(_limit(concurrency, "concurrency"), self._limit_changed)
        self._upload_slots = Limiter(_limit(uploads, "uploads"))
        self._uploader = Uploader(self._transport, self._upload_slots, spool)
        self._watcher = Watcher(
            self._transport, self._tasks, polling, self._slots.observe, lambda: self._slots.statistics().waiting > 0
        )
        self._transcripts = Transcripts(self._transport, polling)
        self._submitter = Submitter(self._transport, self._tasks, submission)
        self._runner = JobRunner(
            self._tasks,
            self._uploader,
            self._slots,
            self._submitter,
            self._watcher,
            _resubmission(resubmission),
            emit,
        )
        self._pipeline = Pipeline(self._runner, self._slots, self._tasks, ahead=2 * uploads)
        self._open = AsyncExitStack()
        self._closing: asyncio.Task[tuple[TranscriptId, ...]] | None = None
        self._draining: anyio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<AsyncClient {self.base_url} {self._slots!r}>"

    async def __aenter__(self) -> Self:
        if self._transport.is_open:
            raise RuntimeError("the client is open already")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._transport)
            await stack.enter_async_context(self._tasks)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, drain: float = 0.0) -> tuple[TranscriptId, ...]:
        """End what is still going on and close all connections; submitted jobs go on at the service.

        With `drain`, jobs that the service has may end first. Nothing is submitted any more, neither for the first
        time nor again: what is not at the service yet ends at once, with `NotOpen`. Called once more meanwhile,
        without `drain`, it closes at once.

        Every job that was submitted, or may have been, is named: by its outcome or its handle, by an event, and by a
        warning in the log. Answers to submissions that are under way are waited for, 10 seconds at most.

        It can be called from anywhere and more than once. Called by something that a job of this client runs, such as
        the iterable of its sources, it ends that as well.

        Args:
            drain: Seconds that jobs at the service are waited for, at most.

        Returns:
            The ids of the jobs that go on at the service; `wait` picks them up, in another process too.
        """
        # In a task of its own: closing waits for the jobs' tasks, and this may be called by one of them.
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(drain), name="asyncscribe closing")
            self._closing.add_done_callback(self._closed)
        elif not drain and self._draining is not None:
            self._draining.cancel()
        return await asyncio.shield(self._closing)

    async def _close(self, drain: float) -> tuple[TranscriptId, ...]:
        try:
            with anyio.CancelScope() as self._draining:
                if drain > 0:
                    await self._runner.drain(drain)
        finally:
            jobs, waited = self._runner.active, self._runner.waited
            await self._open.aclose()
        return (*(job.running for job in jobs if job.running is not None), *waited)

    def _closed(self, _: asyncio.Task[tuple[TranscriptId, ...]]) -> None:
        self._closing = None

    def _limit_changed(self, limit: int) -> None:
        self._emit(LimitChanged(limit, self._slots.basis))
        self._pipeline.limit_changed()

    def key_digest(self, salt: str) -> str:
        """A salted hash of the API key: says whether a key is the same as before, and nothing about it."""
        return self._settings.key_digest(salt)

    def share_allowance(self, clients: int) -> None:
        """Say how many clients use the account at this moment, in whatever process: each sends its part of requests.

        Args:
            clients: With this one, at least 1.
        """
        self._transport.gate.share(max(1, clients))

    @property
    def stats(self) -> ClientStatistics:
        """Current counts of slots, uploads, watched jobs and requests, and the totals of jobs."""
        return ClientStatistics(
            self._slots.statistics(),
            self._upload_slots.statistics(),
            self._watcher.statistics(),
            self._transport.statistics(),
            self._runner.totals(),
        )

    def listening(self, handler: EventHandler) -> AbstractContextManager[None]:
        """Have a handler called with every event as well, like `on_event`, for as long as the context lasts."""
        return self._emit.listening(handler)

    async def upload(
        self, source: Source, *, priority: int = 0, progress: Callable[[int], None] | None = None
    ) -> UploadUrl:
        """Upload a recording and return the URL by which the service finds it, for 24 hours at least.

        Args:
            source: A path, bytes, a binary file, or an async iterable of bytes. Files are streamed in chunks.
            priority: Higher ones go first.
            progress: Called with the number of bytes sent so far.

        Raises:
            SourceError: The source can't be read, is empty, or is a URL, which needs no upload.
            ServiceError: The upload failed.
        """
        resolved = await sources.resolve(source)
        if isinstance(resolved, sources.Url | sources.SignedOnDemand):
            raise SourceError(resolved.name, "is a URL already; transcribe it without an upload")
        if not self._transport.is_open:
            raise NotOpen
        told = None if progress is None else guarded(progress)
        return await self._uploader.upload(resolved, told, priority=priority)

    def start(
        self,
        source: Source | TranscriptionRequest,
        config: Config = None,
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Job:
        """Begin a job and return its handle at once; the client does the work, whether anybody waits for it or not.

        `await job.submitted()` gives the id, `await job.wait()` the transcript, `job.cancel()` ends it.

        Args:
            source: What to transcribe.
            config: What to do with it; a mapping is checked like `TranscriptionConfig`.
            priority: Higher ones get the next free slot first.
            timeout: Seconds for all of it; see `transcribe`.

        Raises:
            ConfigurationError: The configuration is not allowed.
            NotOpen: The client is not open, or is being closed.
        """
        return Job(self._start(source, config, priority, timeout))

    async def submit(self, source: Source | TranscriptionRequest, config: Config = None, *, priority: int = 0) -> Job:
        """Upload a source if it is no URL, wait for a slot, submit it, and return its handle.

        The job is then watched in the background, keeps its slot until it has ended, and is submitted again should
        the service fail it; `wait` gives the result.

        Args:
            source: What to transcribe.
            config: What to do with it; a mapping is checked like `TranscriptionConfig`.
            priority: Higher ones get the next free slot first.

        Raises:
            ConfigurationError: The configuration is not allowed.
            SourceError: The source can't be read.
            SubmissionInDoubt: The job may exist, and could not be found.
            ServiceError: The upload or the submission failed; no job was made.
        """
        job = self._start(source, config, priority)
        try:
            await Job(job).submitted()
        except asyncio.CancelledError:
            job.leave()
            raise
        return Job(job)

    def _start(
        self,
        source: Source | TranscriptionRequest,
        config: Config,
        priority: int,
        timeout: float | None = None,
    ) -> JobRecord:
        request = source if isinstance(source, TranscriptionRequest) else TranscriptionRequest(source)
        return self._runner.start(request, checked(config), priority, timeout=timeout)

    async def wait(self, job: Job | str, timeout: float | None = None) -> Transcript:
        """Wait until a job has ended and return its transcript.

        Args:
            job: A handle, or the id of any job of the account, e.g. from a `WaitTimeout`. A job known by its id alone
                is not submitted again when the service fails it.
            timeout: Seconds; None waits for as long as it takes.

        Raises:
            TranscriptionFailed: The service failed the job.
            WaitTimeout: The time has passed. The job goes on and is paid; the error carries its id.
            WaitInterrupted: The service could not be reached for minutes; the job goes on.
            NotFound: There is no such job.
        """
        if isinstance(job, Job):
            return await job.wait(timeout)
        return await self._runner.wait(TranscriptId(job), timeout)

    async def transcribe(
        self,
        source: Source | TranscriptionRequest,
        config: Config = None,
        timeout: float | None = None,
        *,
        priority: int = 0,
    ) -> Transcript:
        """Transcribe one source: upload it if needed, submit it, wait for its transcript.

        Args:
            source: A path, a URL, bytes, a binary file, or an async iterable of bytes.
            config: What to do with it; a mapping is checked like `TranscriptionConfig`.
            timeout: Seconds for all of it, waiting for a slot included; None allows any time. It never cuts a
                submission off, whose job would be paid without its id being known, so it can be passed by the time
                of one.
            priority: Higher ones get the next free slot first.

        Raises:
            ConfigurationError: The configuration is not allowed.
            SourceError: The source can't be read; nothing was submitted.
            TranscriptionFailed: The service failed the job.
            WaitTimeout: The time has passed. A job that was submitted goes on and is paid; the error carries its id.
            SubmissionInDoubt: The job may exist, and could not be found.
            ServiceError: The upload or the submission failed.
        """
        job = self._start(source, config, priority, timeout)
        try:
            return await Job(job).wait()
        except asyncio.CancelledError:
            # The caller leaves. Should the job be about to be submitted, that is brought to its end without it.
            job.leave()
            raise

    @overload
    def transcribe_many(
        self,
        sources: Sources[TranscriptionRequest[S, M]],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Outcome[TranscriptionRequest[S, M], M], None]: ...

    @overload
    def transcribe_many(
        self,
        sources: Sources[R],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Outcome[R], None]: ...

    def transcribe_many(
        self,
        sources: Sources[Any],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Outcome[Any], None]:
        """Transcribe many sources and yield an `Outcome` for each, as it ends.

        Sources are read lazily, so they may be a generator of a million items; at any time only as many are taken up
        as there are slots, and some that are uploaded ahead. A failing item is an outcome with an error and stops
        nothing. Leaving the loop cancels the rest (at once with `contextlib.aclosing`).

        Args:
            sources: An iterable or async iterable of sources. Should it raise, the sources it gave are finished
                first, then its error is raised.
            config: What to do with all of them.
            ordered: Yield in the order of the sources; up to twice as many are taken up then.
            priority: Higher ones get the next free slot first.
            timeout: Seconds from when the first outcome is asked for. Then no more sources are taken up, and each that
                was has an outcome: with a `WaitTimeout` that carries the id, where its job goes on.

        Raises:
            ConfigurationError: The configuration is not allowed.
            AuthenticationError: The key was not accepted. No more sources were taken up; what ran has ended first.
        """
        if isinstance(sources, str | bytes | os.PathLike):
            raise TypeError("transcribe_many takes an iterable of sources; use transcribe for a single one")
        return self._pipeline.run(sources, checked(config), ordered=ordered, priority=priority, timeout=timeout)

    def hint(self, transcript_id: str) -> None:
        """Check a job now: an outside signal says that it ended. Without a waiter nothing happens.

        A webhook makes a hint: `client.hint(notification.transcript_id)` in the handler of a `WebhookReceiver` ends a
        wait without waiting for the next check. A false or missing hint does no harm.

        Args:
            transcript_id: The job.
        """
        self._watcher.hint(TranscriptId(transcript_id))

    async def get(self, transcript_id: str) -> Transcript:
        """The transcript in its present state, whatever that is.

        Raises:
            NotFound: There is no such transcript in this project.
            ServiceError: It could not be asked for.
        """
        return await self._transcripts.get(TranscriptId(transcript_id))

    def list(
        self,
        *,
        status: str | None = None,
        created_on: date | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        throttled_only: bool = False,
        page_size: int = LONGEST_PAGE,
    ) -> AsyncGenerator[ListItem, None]:
        """The transcripts of the key's project, newest first; pages are asked for as they are read.

        Args:
            status: Only those in this state (`TranscriptStatus`).
            created_on: Only those of this day, UTC.
            before_id: Only those created before this one.
            after_id: Only those created after this one.
            throttled_only: Only those that the account's limit held back; overrides `status`. The service calls this
                filter deprecated.
            page_size: Items asked for at once, 1 to 200.

        Raises:
            ServiceError: A page is unavailable.
        """
        return self._transcripts.list(
            status=status,
            created_on=created_on,
            before_id=before_id,
            after_id=after_id,
            throttled_only=throttled_only,
            page_size=page_size,
        )

    def iter_transcripts(
        self, *, status: str | None = TranscriptStatus.COMPLETED, created_on: date | None = None
    ) -> AsyncGenerator[Transcript, None]:
        """Whole transcripts of the project's history, newest first, a few of them in memory at a time.

        Args:
            status: Only those in this state; None for all.
            created_on: Only those of this day, UTC.

        Raises:
            ServiceError: One is unavailable.
        """
        return self._transcripts.history(status=status, created_on=created_on)

    async def delete(self, transcript_id: str) -> Transcript:
        """Delete the content of a transcript, and its upload, for good; return what is left.

        Its status stays `completed`, and it stays in the list. A job that may still have to be submitted again needs
        its upload, so don't delete before the job has ended.

        Raises:
            NotFound: There is no such transcript in this project.
        """
        return await self._transcripts.delete(TranscriptId(transcript_id))

    async def sentences(self, transcript_id: str) -> tuple[Passage, ...]:
        """The sentences of a completed transcript, with words and times in milliseconds.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.passages(TranscriptId(transcript_id), "sentences")

    async def paragraphs(self, transcript_id: str) -> tuple[Passage, ...]:
        """The paragraphs of a completed transcript, with words and times in milliseconds.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.passages(TranscriptId(transcript_id), "paragraphs")

    async def subtitles(self, transcript_id: str, format: str = "srt", chars_per_caption: int | None = None) -> str:  # noqa: A002
        """Subtitles as the service cuts them (`Transcript.to_srt` makes them here, without a request).

        Args:
            transcript_id: A completed transcript.
            format: `"srt"` or `"vtt"`.
            chars_per_caption: Longest caption in characters.

        Raises:
            ValueError: There is no such format.
            BadRequest: It is not completed.
        """
        return await self._transcripts.subtitles(TranscriptId(transcript_id), SubtitleFormat(format), chars_per_caption)

    async def search(self, transcript_id: str, words: Sequence[str]) -> tuple[Match, ...]:
        """Where words, numbers or phrases of up to five words were said in a completed transcript.

        Raises:
            BadRequest: It is not completed.
        """
        return await self._transcripts.search(TranscriptId(transcript_id), words)

    async def redacted_audio(self, transcript_id: str, timeout: float | None = None) -> RedactedAudio:
        """A link to the redacted recording; it is made after the transcript, and waited for.

        Args:
            transcript_id: A transcript made with `redact_pii_audio`.
            timeout: Seconds; None waits for as long as it takes.

        Raises:
            WaitTimeout: The time has passed.
            BadRequest: It was never asked for, or is not available any more.
        """
        return await self._transcripts.redacted_audio(TranscriptId(transcript_id), timeout)

    async def download_redacted_audio(
        self, transcript_id: str, path: str | os.PathLike[str], timeout: float | None = None
    ) -> Path:
        """Wait for the redacted recording and stream it to a file, which is there whole or not at all.

        The key is not sent to the host that keeps the recording.

        Raises:
            WaitTimeout: It was not made within `timeout` seconds.
            ServiceError: It is unavailable.
            OSError: The file can't be written.
        """
        audio = await self._transcripts.redacted_audio(TranscriptId(transcript_id), timeout)
        return await self._transcripts.download(audio, Path(path))


#: What arguments may be, and what to pass where they are something else.
_ARGUMENTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "api_key": ((str,), "pass the key's text"),
    "base_url": ((str,), "pass an address, 'us' or 'eu'"),
    "polling": ((Backoff,), "pass Backoff(initial=..., maximum=...), in seconds"),
    "retry": ((RetryPolicy,), "pass RetryPolicy(attempts=...)"),
    "resubmission": ((ResubmissionPolicy, int), "pass a number or a ResubmissionPolicy"),
    "submission": ((SubmissionPolicy,), "pass SubmissionPolicy(quiet=...), in seconds"),
    "budget": ((HttpBudget,), "pass HttpBudget(requests, seconds)"),
    "timeouts": ((Timeouts,), "pass Timeouts(connect=..., idle=...), in seconds"),
    "spool": ((int,), "pass a number of bytes"),
    "on_event": ((Callable,), "pass a function that takes an event"),
}


def _check(**arguments: object) -> None:
    for name, value in arguments.items():
        kinds, hint = _ARGUMENTS[name]
        check_kind(name, value, kinds, hint)


def _limit(limit: int | Limit | None, name: str) -> Limit:
    if limit is None:
        return AdaptiveLimit()
    check_kind(name, limit, (int, Limit), "pass a number of jobs, or a Limit")
    if not isinstance(limit, int):
        return limit
    if limit < 1:
        raise ConfigurationError(f"{name} must be at least 1, not {limit}")
    return FixedLimit(limit)


def _resubmission(policy: ResubmissionPolicy | int | None) -> ResubmissionPolicy:
    if isinstance(policy, int):
        return ResubmissionPolicy.at_most(policy)
    return policy or ResubmissionPolicy()

"""`AsyncClient`: has its parts built, and names a step per method."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import aiohttp

from asyncscribe import sources
from asyncscribe.account import AccountAccess
from asyncscribe.engine.handle import Job, LiveJob
from asyncscribe.engine.pipeline import Sources
from asyncscribe.errors import NotOpen, SourceError
from asyncscribe.events import EventHandler, guarded
from asyncscribe.models.transcript import Transcript, TranscriptId, UploadUrl
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import Limit
from asyncscribe.policies.request_rate import HttpBudget
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.requests import Config, Outcome, TranscriptionRequest, checked
from asyncscribe.settings import Timeouts
from asyncscribe.sources import Source
from asyncscribe.wiring import POLLING, UPLOADS, Arguments, ClientStatistics, build

__all__ = ["POLLING", "UPLOADS", "AsyncClient", "ClientStatistics"]

R = TypeVar("R")
S = TypeVar("S", bound=Source)
M = TypeVar("M")


class AsyncClient(AccountAccess):
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
        arguments = Arguments(
            api_key=api_key,
            base_url=base_url,
            concurrency=concurrency,
            polling=polling,
            uploads=uploads,
            retry=retry,
            resubmission=resubmission,
            submission=submission,
            budget=budget,
            timeouts=timeouts,
            on_event=on_event,
            trust_env=trust_env,
            allow_http=allow_http,
            proxy=proxy,
            ssl_context=ssl_context,
            session=session,
            headers=headers,
            spool=spool,
        )
        self._parts = build(arguments)
        super().__init__(self._parts.transcripts)
        self.base_url = self._parts.settings.base_url

    def __repr__(self) -> str:
        return f"<AsyncClient {self.base_url} {self._parts.slots!r}>"

    async def __aenter__(self) -> Self:
        await self._parts.lifetime.open()
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
        return await self._parts.lifetime.close(drain)

    def key_digest(self, salt: str) -> str:
        """A salted hash of the API key: says whether a key is the same as before, and nothing about it."""
        return self._parts.settings.key_digest(salt)

    def share_allowance(self, clients: int) -> None:
        """Say how many clients use the account at this moment, in whatever process: each sends its part of requests.

        Args:
            clients: With this one, at least 1.
        """
        self._parts.transport.gate.share(max(1, clients))

    @property
    def stats(self) -> ClientStatistics:
        """Current counts of slots, uploads, watched jobs and requests, and the totals of jobs."""
        return self._parts.statistics()

    def listening(self, handler: EventHandler) -> AbstractContextManager[None]:
        """Have a handler called with every event as well, like `on_event`, for as long as the context lasts."""
        return self._parts.listeners.listening(handler)

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
        if not self._parts.transport.is_open:
            raise NotOpen
        told = None if progress is None else guarded(progress)
        return await self._parts.uploader.upload(resolved, told, priority=priority)

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
    ) -> LiveJob:
        request = source if isinstance(source, TranscriptionRequest) else TranscriptionRequest(source)
        return self._parts.runner.start(request, checked(config), priority, timeout=timeout)

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
        return await self._parts.runner.wait(TranscriptId(job), timeout)

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
        return self._parts.pipeline.run(sources, checked(config), ordered=ordered, priority=priority, timeout=timeout)

    def hint(self, transcript_id: str) -> None:
        """Check a job now: an outside signal says that it ended. Without a waiter nothing happens.

        A webhook makes a hint: `client.hint(notification.transcript_id)` in the handler of a `WebhookReceiver` ends a
        wait without waiting for the next check. A false or missing hint does no harm.

        Args:
            transcript_id: The job.
        """
        self._parts.watcher.hint(TranscriptId(transcript_id))

"""One job from source to transcript; read `JobRunner` from top to bottom.

Every job runs in a task that the client owns; the caller only waits for it. If the caller is cancelled, a submission
that may be paid for still runs until its id is known.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import anyio

from asyncscribe import sources
from asyncscribe.bodies import Upload
from asyncscribe.containment import contained, is_cancelled
from asyncscribe.engine.handle import LiveJob, OnEnd
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.submission import Accepted, Submission, Submitter
from asyncscribe.engine.tasks import Tasks
from asyncscribe.engine.totals import JobCounts, JobTotals
from asyncscribe.engine.uploads import Uploader
from asyncscribe.engine.watcher import Watcher
from asyncscribe.errors import (
    AsyncscribeError,
    CallbackError,
    NotOpen,
    SourceError,
    TranscriptionFailed,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.events import EventHandler, Resubmitting, UploadProgress, ignore
from asyncscribe.ledger import NullLedger, ResumePoint
from asyncscribe.lifecycle import JobState
from asyncscribe.logs import about, log
from asyncscribe.masking import masked
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.requests import TranscriptionRequest
from asyncscribe.sources import SignedOnDemand, Source, Url

#: Seconds after which an upload that still waits for a slot is repeated: the service keeps uploads for at least 24
#: hours, within which the job must start and perhaps be submitted again.
FRESH_UPLOAD = 20 * 3600.0
#: The states in which the service has no job yet.
_NOT_SUBMITTED = frozenset({JobState.CREATED, JobState.UPLOADING, JobState.WAITING})


class JobRunner:
    """Runs jobs from source to transcript. One job and many run the same way; many only share the limiters.

    Args:
        tasks: Owns the jobs' tasks.
        uploader: Uploads sources that are not URLs.
        limiter: Slots for jobs at the service.
        submitter: Submits without paying twice.
        watcher: Waits for the service.
        resubmission: Which failed job is submitted again.
        on_event: Receives every event.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        tasks: Tasks,
        uploader: Uploader,
        limiter: Limiter,
        submitter: Submitter,
        watcher: Watcher,
        resubmission: ResubmissionPolicy,
        on_event: EventHandler = ignore,
        rng: Random = random.random,
    ) -> None:
        self._tasks = tasks
        self._uploader = uploader
        self._limiter = limiter
        self._submitter = submitter
        self._watcher = watcher
        self._resubmission = resubmission
        self._emit = on_event
        self._rng = rng
        self._numbers = count(1)
        self._active: set[LiveJob] = set()
        self._waits: Counter[TranscriptId] = Counter()
        self._changed = asyncio.Event()
        self._counts = JobCounts()

    def totals(self) -> JobTotals:
        """The outcomes of all jobs so far, counted."""
        return self._counts.totals(active=len(self._active))

    @property
    def waited(self) -> tuple[TranscriptId, ...]:
        """The jobs that are waited for by id alone."""
        return tuple(self._waits)

    @property
    def active(self) -> tuple[LiveJob, ...]:
        """The jobs that have not ended."""
        return tuple(self._active)

    async def drain(self, seconds: float) -> None:
        """Start nothing more, end the jobs that are not at the service, and wait for the rest.

        Args:
            seconds: How long to wait at most.
        """
        self._tasks.stop_accepting()
        for job in self.active:
            if job.running is None and job.state in _NOT_SUBMITTED and job.scope is not None:
                job.scope.cancel()
        with anyio.move_on_after(seconds):
            while self._active or self._waits.total():
                self._changed.clear()
                await self._changed.wait()

    def start(
        self,
        request: TranscriptionRequest[Source],
        config: TranscriptionConfig,
        priority: int = 0,
        *,
        timeout: float | None = None,
        on_end: OnEnd | None = None,
    ) -> LiveJob:
        """Start a job in its own task.

        Args:
            request: What to transcribe.
            config: What to do with it, unless the request says.
            priority: Its rank, unless the request says.
            timeout: Seconds for all of it, unless the request says fewer; see `AsyncClient.transcribe`.
            on_end: Called at its end.

        Raises:
            NotOpen: The client is not open, or is being closed.
        """
        if not self._tasks.is_accepting:
            raise NotOpen
        job = LiveJob(
            next(self._numbers),
            request,
            request.options or config,
            request.priority or priority,
            self._emit,
        )
        timeout = min((one for one in (timeout, request.timeout) if one is not None), default=None)
        job.scope = self._tasks.start_soon(self._run, job, timeout, on_end)
        self._active.add(job)
        if timeout is not None:
            job.scope.deadline = self._now() + timeout
        return job

    async def _run(self, job: LiveJob, timeout: float | None, on_end: OnEnd | None) -> None:
        with about(job.label):
            await self._run_labelled(job, timeout, on_end)

    async def _run_labelled(self, job: LiveJob, timeout: float | None, on_end: OnEnd | None) -> None:
        try:
            job.complete(await self._way(job))
        except NotOpen as error:
            job.fail(self._closed(job, error))
        except Exception as error:  # noqa: BLE001 - whatever ends a job is raised where somebody waits for it
            job.fail(error)
        except asyncio.CancelledError as error:
            if not is_cancelled():
                job.fail(CallbackError(f"{job.name}: reading it raised CancelledError, and nobody had cancelled it"))
                job.error.__cause__ = error  # type: ignore[union-attr]
                return
            if job.is_wanted and timeout is not None and self._is_late(job):
                job.fail(job.timed_out(timeout))
            elif not job.is_wanted:
                job.fail(job.cut_off("it was given up"))
            else:
                job.fail(self._closed(job, NotOpen()))
            raise
        finally:
            self._active.discard(job)
            self._counts.ended(job)
            self._changed.set()
            if on_end is not None:
                on_end(job)

    def _is_late(self, job: LiveJob) -> bool:
        return job.scope is not None and self._now() >= job.scope.deadline

    @staticmethod
    def _closed(job: LiveJob, error: NotOpen) -> AsyncscribeError:
        job.was_closed = True
        return job.cut_off("the client was closed") if job.running is not None or job.may_exist else error

    async def _way(self, job: LiveJob) -> Transcript:
        if (transcript := await self._resume(job)) is not None:
            return transcript
        source = await sources.resolve(job.request.source)
        while True:
            job.audio_url = await self._audio_url(job, source)
            prepared = self._now()
            job.move(JobState.WAITING)
            async with self._limiter.slot(job.number, job.priority):
                # A slot is never held during an upload: it is returned, and acquired again.
                if self._now() - prepared < FRESH_UPLOAD or not _renewable(source):
                    return await self._at_service(job)

    async def _resume(self, job: LiveJob) -> Transcript | None:
        """Resume what an earlier process submitted; None if it submitted nothing. The source itself is not needed."""
        resume = job.resume
        self._submitter.knows(resume.ids)
        job.ids.extend(resume.ids)
        job.label.transcript_id = job.id
        job.running = job.id
        running = resume.in_doubt_since is None
        if resume.in_doubt_since is not None and resume.doubtful_url is not None:
            running = await self._find_again(job, resume.doubtful_url, resume.in_doubt_since, resume.idle)
        if not job.ids:
            return None
        job.submitted.set()
        job.audio_url = resume.audio_url
        job.move(JobState.WAITING)
        async with self._limiter.slot(job.number, job.priority):
            if running:
                job.move(JobState.PROCESSING)
                if (transcript := await self._outcome(job, new=False)) is not None:
                    return transcript
            return await self._at_service(job)

    async def _find_again(self, job: LiveJob, audio_url: str, since: datetime, idle: float | None) -> bool:
        """Whether an earlier process's submission, whose outcome is unknown, made a job."""
        job.audio_url, job.may_exist = audio_url, True
        found = await self._submitter.find(
            audio_url, job.config, since, lambda accepted: job.has(accepted.id), idle=idle
        )
        job.may_exist = False
        if found is not None:
            await self._keep_submitted(job, found.id)
        else:
            with self._tasks.shielded():
                await contained("the ledger", job.ledger.refused)
        return found is not None

    async def _keep_submitted(self, job: LiveJob, transcript_id: TranscriptId) -> None:
        with self._tasks.shielded():
            try:
                await contained("the ledger", job.ledger.submitted, transcript_id)
            except BaseException:
                # Whoever looks the submission up later, with this client too, has to find it.
                self._submitter.forget(transcript_id)
                raise

    async def _audio_url(self, job: LiveJob, source: Url | SignedOnDemand | Upload) -> str | None:
        """Where the service can read the audio; None if the URL is signed only when the job is submitted."""
        if isinstance(source, SignedOnDemand):
            return None
        if isinstance(source, Url):
            return source.url
        # Only on the first pass: by the second one the earlier upload is too old.
        resume, job.resume = job.resume, ResumePoint()
        if resume.audio_url is not None and _is_fresh(resume):
            return resume.audio_url
        total = source.size

        def progress(sent: int) -> None:
            self._emit(UploadProgress(job.number, job.name, sent, total, metadata=job.request.metadata))

        job.move(JobState.UPLOADING)
        return await self._uploader.upload(source, progress, job.ledger.uploaded, priority=job.priority)

    async def _at_service(self, job: LiveJob) -> Transcript:
        while True:
            if not self._tasks.is_accepting:
                raise NotOpen
            job.move(JobState.SUBMITTING)
            accepted = await self._submit(job)
            job.saw(accepted.status if accepted.status == TranscriptStatus.QUEUED else TranscriptStatus.PROCESSING)
            if (transcript := await self._outcome(job, new=True)) is not None:
                return transcript

    async def _submit(self, job: LiveJob) -> Accepted:
        source = job.request.source
        if isinstance(source, SignedOnDemand):
            job.audio_url = await contained("signing the URL", source.sign)
        if job.audio_url is None:
            raise SourceError(job.name, "it has no URL that the service can read")
        submission = Submission(
            job.audio_url,
            job.config,
            job.priority,
            keep=lambda accepted: job.has(accepted.id),
            is_wanted=lambda: job.is_wanted,
            # Ledgers written before `permit` existed have none.
            permit=getattr(job.ledger, "permit", _no_permit),
        )
        try:
            await self._keep_beginning(job, job.audio_url)
            accepted = await self._submitter.submit(submission)
            self._counts.submissions += 1
        except BaseException:
            job.may_exist = submission.may_exist
            if not job.may_exist and type(job.ledger) is not NullLedger:
                with self._tasks.shielded():
                    await contained("the ledger", job.ledger.refused)
            raise
        if type(job.ledger) is not NullLedger:
            await self._keep_submitted(job, accepted.id)
        return accepted

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _keep_beginning(self, job: LiveJob, audio_url: str) -> None:
        if type(job.ledger) is NullLedger:
            return
        since = await self._submitter.service_time()
        await contained("the ledger", job.ledger.submitting, audio_url, since or datetime.now(UTC))

    async def _outcome(self, job: LiveJob, *, new: bool) -> Transcript | None:
        """Wait for the latest submission; None when the service failed it and the job must be submitted again."""
        transcript_id = job.ids[-1]
        transcript = await self._watcher.wait(
            transcript_id, new=new, known=True, on_status=job.saw, priority=job.priority
        )
        job.running = None
        if transcript.status == TranscriptStatus.COMPLETED:
            return transcript
        job.audio_url = job.audio_url or transcript.audio_url
        again = self._resubmission.decide(transcript.error, len(job.ids), self._rng)
        if again is None:
            raise self.failure(transcript, len(job.ids))
        self._counts.resubmissions += 1
        log.info(
            "transcript %s of %s failed (%s); it is submitted again in %.1f s",
            transcript_id,
            job.name,
            masked(transcript.error or "no reason given"),
            again.delay,
        )
        self._emit(
            Resubmitting(
                job.number,
                job.name,
                transcript_id,
                transcript.error or "no reason given",
                again.delay,
                metadata=job.request.metadata,
            )
        )
        await anyio.sleep(again.delay)
        return None

    async def wait(self, transcript_id: TranscriptId, timeout: float | None) -> Transcript:
        """Wait for a job by its id alone; it is not resubmitted.

        Raises:
            TranscriptionFailed: The service failed it.
            WaitTimeout: The time has passed; the job goes on.
            WaitInterrupted: The service could not be reached; the job goes on.
        """
        if not self._tasks.is_open:
            raise NotOpen
        self._waits[transcript_id] += 1
        try:
            with anyio.move_on_after(timeout):
                transcript = await self._watcher.wait(transcript_id)
                if transcript.status != TranscriptStatus.COMPLETED:
                    raise self.failure(transcript, submissions=1)
                return transcript
        except NotOpen:
            raise WaitInterrupted(f"transcript {transcript_id}: the client was closed", transcript_id) from None
        finally:
            self._waits[transcript_id] -= 1
            self._waits += Counter()  # without those that are 0
            self._changed.set()
        raise WaitTimeout(f"transcript {transcript_id} has not ended within {timeout:g} s", transcript_id)

    def failure(self, transcript: Transcript, submissions: int) -> TranscriptionFailed:
        """The error for a failed transcript."""
        return TranscriptionFailed(transcript, self._resubmission.category(transcript.error), submissions)


def _no_permit() -> None:
    """Everything is permitted."""


def _renewable(source: Url | SignedOnDemand | Upload) -> bool:
    return not isinstance(source, Url | SignedOnDemand) and source.repeatable


def _is_fresh(resume: ResumePoint) -> bool:
    return resume.uploaded is not None and datetime.now(UTC) - resume.uploaded < timedelta(seconds=FRESH_UPLOAD)

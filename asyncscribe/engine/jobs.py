"""One job: its handle, and its way from a source to a transcript, read from top to bottom in `JobRunner.run`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import anyio
from anyio.abc import TaskStatus

from asyncscribe import sources
from asyncscribe.engine.limiter import Limiter
from asyncscribe.engine.submission import Accepted, Submitter
from asyncscribe.engine.uploads import Uploader
from asyncscribe.engine.watcher import Watcher
from asyncscribe.errors import (
    AsyncscribeError,
    NotOpen,
    ServiceError,
    SourceError,
    SubmissionInDoubt,
    TranscriptionFailed,
    WaitInterrupted,
    WaitTimeout,
)
from asyncscribe.events import EventHandler, Resubmitting, StateChanged, UploadProgress, ignore
from asyncscribe.ledger import Ledger, Past, Tracked, Unkept
from asyncscribe.lifecycle import JobState, check_step, is_final
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Random
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.sources import SignedOnDemand, Source, Upload, Url

#: Seconds after which an upload that still waits for a slot is made again: the service keeps it for 24 hours at least,
#: and the job has to be taken up and perhaps be submitted again within them.
FRESH_UPLOAD = 20 * 3600.0


class Job:
    """A handle on one job, from before its upload to its end.

    Attributes:
        number: Unique within the client, counted from 1.
        source: What was passed to be transcribed.
        name: The source as messages name it.
        config: What the service is asked to do.
        priority: Its rank among the jobs that wait for a slot; higher ones go first.
        ids: The service's ids of all its submissions, oldest first.
        audio_url: What the service reads, once that is known.
        state: Where it is.
        reached: The state that it ended from; the same as `state` before its end.
        ledger: Told of each step.
        past: How far an earlier process got with it.
    """

    def __init__(
        self,
        number: int,
        source: Source,
        config: TranscriptionConfig,
        priority: int = 0,
        on_event: EventHandler = ignore,
        ledger: Ledger | None = None,
        past: Past | None = None,
    ) -> None:
        self.number = number
        self.source = source
        self.ledger = ledger or Unkept()
        self.past = past or Past()
        self.name = sources.name_of(source)
        self.config = config
        self.priority = priority
        self.ids: list[TranscriptId] = []
        self.audio_url: str | None = None
        self.state = self.reached = JobState.CREATED
        self._emit = on_event
        self._ended = anyio.Event()
        self._transcript: Transcript | None = None
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Job {self.number} {self.name} {self.state}{f' {self.id}' if self.ids else ''}>"

    @property
    def id(self) -> TranscriptId | None:
        """The service's id of the latest submission; None before the first."""
        return self.ids[-1] if self.ids else None

    @property
    def status(self) -> JobState:
        """Where the job is; the same as `state`, by the name that the API uses."""
        return self.state

    @property
    def submissions(self) -> int:
        """How many times it was submitted."""
        return len(self.ids)

    async def wait(self, timeout: float | None = None) -> Transcript:
        """Wait until the job has ended and return its transcript.

        Args:
            timeout: Seconds to wait at most; None waits for as long as it takes.

        Raises:
            TranscriptionFailed: The service failed it (again and again, if the failure was the service's).
            WaitTimeout: The time has passed; the job goes on.
            WaitInterrupted: The client was closed, or could not reach the service.
            AsyncscribeError: Whatever else ended the job.
        """
        with anyio.move_on_after(timeout):
            await self._ended.wait()
        if not self._ended.is_set():
            raise WaitTimeout(f"{self.name} has not ended within {timeout:g} s", self.id)
        if self._transcript is not None:
            return self._transcript
        if isinstance(self._error, Exception):
            raise self._error
        raise WaitInterrupted(f"nobody watches {self.name} any more, for the client was closed", self.id)

    def move(self, state: JobState, detail: str | None = None) -> None:
        """Go to another state and tell.

        Raises:
            IllegalStep: The lifecycle has no such step.
        """
        check_step(self.state, state)
        if state is not self.state:
            self.state = state
            if not is_final(state):
                self.reached = state
            self.ledger.moved(state)
            self._emit(StateChanged(self.number, self.name, state, self.id, self.submissions, detail))

    def saw(self, status: str) -> None:
        """Take the status that the service gave."""
        if status in {TranscriptStatus.QUEUED, TranscriptStatus.PROCESSING}:
            self.move(JobState(status))

    def complete(self, transcript: Transcript) -> Transcript:
        """End with a transcript."""
        self._transcript = transcript
        self.move(JobState.COMPLETED)
        self._ended.set()
        return transcript

    def fail(self, error: BaseException) -> None:
        """End without a transcript: failed, or abandoned if nothing failed but the waiting."""
        self._error = error
        abandoned = not isinstance(error, Exception) or isinstance(error, WaitTimeout | WaitInterrupted)
        if not is_final(self.state):
            detail = str(error) if isinstance(error, Exception) else "cancelled"
            self.move(JobState.ABANDONED if abandoned else JobState.FAILED, detail or None)
        self._ended.set()


class JobRunner:
    """Takes jobs the whole way. One job and many go the same way; many only share the limiters.

    Args:
        uploader: Makes URLs of sources that are none.
        limiter: Slots for jobs at the service.
        submitter: Submits without paying twice.
        watcher: Waits for the service.
        resubmission: Which failed job is submitted again.
        on_event: Told of every step.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        uploader: Uploader,
        limiter: Limiter,
        submitter: Submitter,
        watcher: Watcher,
        resubmission: ResubmissionPolicy,
        on_event: EventHandler = ignore,
        rng: Random = random.random,
    ) -> None:
        self._uploader = uploader
        self._limiter = limiter
        self._submitter = submitter
        self._watcher = watcher
        self._resubmission = resubmission
        self._emit = on_event
        self._rng = rng
        self._numbers = count(1)

    def create(self, source: Source | Tracked[Source], config: TranscriptionConfig, priority: int = 0) -> Job:
        """A handle for a job that has not begun here."""
        if isinstance(source, Tracked):
            return Job(next(self._numbers), source.source, config, priority, self._emit, source.ledger, source.past)
        return Job(next(self._numbers), source, config, priority, self._emit)

    async def run(self, job: Job, timeout: float | None = None) -> Transcript:
        """Take a job from its source to its transcript.

        Args:
            job: A new handle.
            timeout: Seconds for all of it; see `AsyncClient.transcribe`.

        Raises:
            AsyncscribeError: See `Job.wait`.
        """
        return await self._guard(job, timeout, task_status=anyio.TASK_STATUS_IGNORED)

    async def launch(self, job: Job, *, task_status: TaskStatus[Job]) -> None:
        """Take a job the whole way in a task of its own, which is started once the job is submitted.

        What ends the job before is raised; what ends it later is kept for `Job.wait`.
        """
        try:
            await self._guard(job, None, task_status=task_status)
        except Exception:
            if not job.ids:
                raise

    async def _guard(self, job: Job, timeout: float | None, *, task_status: TaskStatus[Job]) -> Transcript:
        try:
            with anyio.move_on_after(timeout) as scope:
                return await self._way(job, scope, task_status)
            raise WaitTimeout(  # noqa: TRY301 - ends the job like any other error
                f"{job.name} was not transcribed within {timeout:g} s", job.id
            )
        except NotOpen as error:
            ended = closed_meanwhile(job)
            job.fail(ended)
            raise ended from error
        except BaseException as error:
            job.fail(error)
            raise

    async def _way(self, job: Job, scope: anyio.CancelScope, task_status: TaskStatus[Job]) -> Transcript:
        if (transcript := await self._go_on(job, scope, task_status)) is not None:
            return transcript
        source = await sources.resolve(job.source)
        while True:
            job.audio_url = await self._audio_url(job, source)
            prepared = anyio.current_time()
            job.move(JobState.WAITING)
            async with self._limiter.slot(job.number, job.priority):
                # A slot is never held during an upload: it is given back, and waited for again.
                if anyio.current_time() - prepared < FRESH_UPLOAD or not _renewable(source):
                    return await self._at_service(job, scope, task_status)

    async def _go_on(self, job: Job, scope: anyio.CancelScope, task_status: TaskStatus[Job]) -> Transcript | None:
        """Go on with what an earlier process submitted; None if that was nothing. The source itself is not needed."""
        past = job.past
        self._submitter.knows(past.ids)
        job.ids.extend(past.ids)
        running = past.in_doubt is None
        if past.in_doubt is not None and past.doubtful_url is not None:
            found = await self._submitter.find(past.doubtful_url, past.in_doubt)
            if found is not None:
                job.ids.append(found.id)
                await job.ledger.submitted(found.id)
                running = True
            else:
                await job.ledger.refused()
        if not job.ids:
            return None
        job.audio_url = past.audio_url
        job.move(JobState.WAITING)
        async with self._limiter.slot(job.number, job.priority):
            task_status.started(job)
            if running:
                job.move(JobState.PROCESSING)
                if (transcript := await self._outcome(job, new=False)) is not None:
                    return transcript
            return await self._at_service(job, scope, task_status)

    async def _audio_url(self, job: Job, source: Url | SignedOnDemand | Upload) -> str | None:
        """Where the service can read the audio; None if that is said only when it is submitted."""
        if isinstance(source, SignedOnDemand):
            return None
        if isinstance(source, Url):
            return source.url
        # The second time around, what is known from before has become too old.
        past, job.past = job.past, Past()
        if past.audio_url is not None and _is_fresh(past):
            return past.audio_url
        total = source.size

        def progress(sent: int) -> None:
            self._emit(UploadProgress(job.number, job.name, sent, total))

        job.move(JobState.UPLOADING)
        return await self._uploader.upload(source, progress, job.ledger.uploaded)

    async def _at_service(self, job: Job, scope: anyio.CancelScope, task_status: TaskStatus[Job]) -> Transcript:
        while True:
            job.move(JobState.SUBMITTING)
            accepted = await self._submit(job, scope)
            job.ids.append(accepted.id)
            # Shielded, as it is short, and what is not kept has to be looked for later.
            with anyio.CancelScope(shield=True):
                await job.ledger.submitted(accepted.id)
            job.saw(accepted.status if accepted.status == TranscriptStatus.QUEUED else TranscriptStatus.PROCESSING)
            if job.submissions == 1:
                task_status.started(job)
            if (transcript := await self._outcome(job, new=True)) is not None:
                return transcript

    async def _submit(self, job: Job, scope: anyio.CancelScope) -> Accepted:
        if isinstance(job.source, SignedOnDemand):
            job.audio_url = await job.source.sign()
        if job.audio_url is None:
            raise SourceError(job.name, "there is no URL by which the service could read it")
        await job.ledger.submitting(job.audio_url)
        try:
            return await self._submitter.submit(job.audio_url, job.config, lambda: _no_deadline(scope))
        except ServiceError:
            # Any other error leaves a doubt, which stays in the ledger.
            await job.ledger.refused()
            raise

    async def _outcome(self, job: Job, *, new: bool) -> Transcript | None:
        """Wait for the latest submission; None when the service failed it and it is to be submitted again."""
        transcript_id = job.ids[-1]
        transcript = await self._watcher.wait(transcript_id, new=new, on_status=job.saw)
        if transcript.status == TranscriptStatus.COMPLETED:
            return job.complete(transcript)
        job.audio_url = job.audio_url or transcript.document.get("audio_url")
        again = self._resubmission.decide(transcript.error, job.submissions, self._rng)
        if again is None:
            raise self.failure(transcript, job.submissions)
        self._emit(
            Resubmitting(job.number, job.name, transcript_id, transcript.error or "no reason given", again.delay)
        )
        await anyio.sleep(again.delay)
        return None

    async def wait(self, transcript_id: TranscriptId, timeout: float | None) -> Transcript:
        """Wait for a job of which only the id is known; it is not resubmitted.

        Raises:
            TranscriptionFailed: The service failed it.
            WaitTimeout: The time has passed; the job goes on.
            WaitInterrupted: The service could not be reached; the job goes on.
        """
        with anyio.move_on_after(timeout):
            transcript = await self._watcher.wait(transcript_id)
            if transcript.status != TranscriptStatus.COMPLETED:
                raise self.failure(transcript, submissions=1)
            return transcript
        raise WaitTimeout(f"transcript {transcript_id} has not ended within {timeout:g} s", transcript_id)

    def failure(self, transcript: Transcript, submissions: int) -> TranscriptionFailed:
        """The error that a failed transcript is."""
        return TranscriptionFailed(transcript, self._resubmission.category(transcript.error), submissions)


def closed_meanwhile(job: Job) -> AsyncscribeError:
    """What the closing of the client means for a job that the service may have."""
    if job.reached is JobState.SUBMITTING and job.audio_url is not None:
        return SubmissionInDoubt(job.audio_url, "the client was closed")
    if job.ids:
        return WaitInterrupted("the client was closed", job.id)
    return NotOpen()


def _renewable(source: Url | SignedOnDemand | Upload) -> bool:
    return not isinstance(source, Url | SignedOnDemand) and source.repeatable


def _is_fresh(past: Past) -> bool:
    return past.uploaded is not None and datetime.now(UTC) - past.uploaded < timedelta(seconds=FRESH_UPLOAD)


@contextmanager
def _no_deadline(scope: anyio.CancelScope) -> Iterator[None]:
    """Suspend the deadline of a scope: a submission that is cut short may be paid for without its id being known."""
    deadline, scope.deadline = scope.deadline, float("inf")
    try:
        yield
    finally:
        scope.deadline = deadline

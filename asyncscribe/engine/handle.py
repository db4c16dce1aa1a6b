"""One job: the engine's record of it, and the read-only handle that users get."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

from asyncscribe import sources
from asyncscribe.errors import AsyncscribeError, NotOpen, SubmissionInDoubt, WaitError, WaitInterrupted, WaitTimeout
from asyncscribe.events import EventHandler, StateChanged, ignore
from asyncscribe.ledger import NullLedger, ResumePoint
from asyncscribe.lifecycle import JobState, check_step, is_final
from asyncscribe.logs import JobLabel, log
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.requests import TranscriptionRequest
from asyncscribe.sources import Source


class LiveJob:
    """The engine's state of one job; only the engine changes it.

    Attributes:
        number: Unique within the client, counted from 1.
        request: What was asked for.
        name: The source's name in messages.
        config: What the service is asked to do.
        priority: Its rank among the jobs that wait; higher ones go first.
        ids: The service's ids of all its submissions, oldest first.
        running: The id of the submission that may be running at the service; None if there is none.
        audio_url: The URL that the service reads, once known.
        state: Its present state.
        reached: The state that it ended from; the same as `state` before its end.
        is_wanted: Whether anybody still waits for its end.
        may_exist: Whether a submission may have made a job whose id is unknown.
        was_closed: Whether closing the client ended it.
        label: Its label on log lines.
        scope: The cancel scope of its task.
        ended: Set at its end.
        submitted: Set once it has an id, and at its end.
    """

    def __init__(
        self,
        number: int,
        request: TranscriptionRequest[Source],
        config: TranscriptionConfig,
        priority: int = 0,
        on_event: EventHandler = ignore,
    ) -> None:
        self.number = number
        self.request = request
        self.name = sources.name_of(request.source)
        self.config = config
        self.priority = priority
        self.ledger = request.ledger or NullLedger()
        self.resume = request.resume or ResumePoint()
        self.ids: list[TranscriptId] = []
        self.label = JobLabel(number, self.name, request.metadata)
        self.running: TranscriptId | None = None
        self.audio_url: str | None = None
        self.state = self.reached = JobState.CREATED
        self.is_wanted = True
        self.may_exist = False
        self.was_closed = False
        self.scope: anyio.CancelScope | None = None
        self.ended = asyncio.Event()
        self.submitted = asyncio.Event()
        self.transcript: Transcript | None = None
        self.error: Exception | None = None
        self._emit = on_event

    @property
    def id(self) -> TranscriptId | None:
        """The service's id of the latest submission."""
        return self.ids[-1] if self.ids else None

    def move(self, state: JobState, detail: str | None = None) -> None:
        """Move to another state and emit the event.

        Raises:
            IllegalStep: The lifecycle has no such step.
        """
        check_step(self.state, state)
        if state is self.state:
            return
        self.state = state
        if not is_final(state):
            self.reached = state
        try:
            self.ledger.moved(state)
        except BaseException as error:
            # Informational only: whatever a caller's ledger raises here, the job goes on.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            log.exception("the ledger of job %d failed", self.number)
        may_exist = self.may_exist and is_final(state)
        metadata = self.request.metadata
        self._emit(
            StateChanged(self.number, self.name, state, self.id, len(self.ids), detail, may_exist, metadata=metadata)
        )

    def saw(self, status: str) -> None:
        """Apply the status that the service reported."""
        if status in {TranscriptStatus.QUEUED, TranscriptStatus.PROCESSING}:
            self.move(JobState(status))

    def has(self, transcript_id: TranscriptId) -> None:
        """Record the job's id at the service. From here on it can't get lost: handle and events name it."""
        self.ids.append(transcript_id)
        self.running = transcript_id
        self.label.transcript_id = transcript_id
        self.may_exist = False
        self.submitted.set()
        if not self.is_wanted:
            log.warning(
                "job %d (%s) was left while it was being submitted; transcript %s goes on and will be paid for",
                self.number,
                self.name,
                transcript_id,
            )

    def leave(self) -> None:
        """End a job that nobody waits for any more; a submission that is under way still runs until its id is known."""
        if not self.ended.is_set():
            self.is_wanted = False
            if self.scope is not None:
                self.scope.cancel()

    def complete(self, transcript: Transcript) -> None:
        """End with a transcript."""
        self.transcript = transcript
        self.move(JobState.COMPLETED)
        self._end()

    def fail(self, error: Exception) -> None:
        """End without a transcript: failed, or abandoned if only the wait failed."""
        self.error = error
        abandoned = isinstance(error, WaitError | NotOpen) or self.may_exist
        if not is_final(self.state):
            self.move(JobState.ABANDONED if abandoned else JobState.FAILED, str(error) or type(error).__name__)
        if self.may_exist:
            log.warning("job %d (%s): %s", self.number, self.name, error)
        elif self.running is not None:
            log.warning(
                "job %d (%s) is left to the service: transcript %s goes on and will be paid for",
                self.number,
                self.name,
                self.running,
            )
        self._end()

    def _end(self) -> None:
        self.ended.set()
        self.submitted.set()

    def cut_off(self, why: str) -> AsyncscribeError:
        """The error of a job that was ended from outside; it says what may still run at the service."""
        if self.may_exist and self.audio_url is not None:
            return SubmissionInDoubt(self.audio_url, why)
        return WaitInterrupted(f"{self.name}: {why}", self.running, self._nothing_runs())

    def timed_out(self, seconds: float) -> AsyncscribeError:
        """The error of a job that ran out of time."""
        if self.may_exist:
            return self.cut_off(f"{seconds:g} s have passed")
        problem = f"{self.name} was not transcribed within {seconds:g} s"
        return WaitTimeout(problem, self.running, self._nothing_runs())

    def _nothing_runs(self) -> str | None:
        return "nothing of it runs at the service" if self.ids and self.running is None else None


class Job:
    """A read-only handle on one job, from before its upload to its end; the client does the work."""

    __slots__ = ("_record",)

    def __init__(self, record: LiveJob) -> None:
        self._record = record

    def __repr__(self) -> str:
        record = self._record
        return f"<Job {record.number} {record.name} {record.state}{f' {record.id}' if record.ids else ''}>"

    @property
    def number(self) -> int:
        """Unique within the client, counted from 1. Events name it."""
        return self._record.number

    @property
    def request(self) -> TranscriptionRequest[Source]:
        """What was asked for."""
        return self._record.request

    @property
    def name(self) -> str:
        """The source's name in messages."""
        return self._record.name

    @property
    def config(self) -> TranscriptionConfig:
        """What the service is asked to do."""
        return self._record.config

    @property
    def priority(self) -> int:
        """Its rank among the jobs that wait; higher ones go first."""
        return self._record.priority

    @property
    def state(self) -> JobState:
        """Its present state."""
        return self._record.state

    @property
    def id(self) -> TranscriptId | None:
        """The service's id of the latest submission; None before the first."""
        return self._record.id

    @property
    def ids(self) -> tuple[TranscriptId, ...]:
        """The service's ids of all its submissions, oldest first."""
        return tuple(self._record.ids)

    @property
    def submissions(self) -> int:
        """How many times it was submitted."""
        return len(self._record.ids)

    @property
    def audio_url(self) -> str | None:
        """The URL that the service reads; None until it is known."""
        return self._record.audio_url

    @property
    def transcript(self) -> Transcript | None:
        """Its transcript, once it has ended with one."""
        return self._record.transcript

    @property
    def error(self) -> Exception | None:
        """The error that ended it; None unless one did."""
        return self._record.error

    def cancel(self) -> None:
        """End it. A job that is not submitted yet never will be; a submission that is under way is completed.

        A job that the service already has goes on there and is charged; whoever waits for it here gets a
        `WaitInterrupted` with its id. A job that has ended stays as it is.
        """
        self._record.leave()

    async def submitted(self) -> TranscriptId:
        """Wait until the service has the job, and return its id.

        Raises:
            AsyncscribeError: The error that ended the job before it was submitted.
        """
        await self._record.submitted.wait()
        if self._record.id is not None:
            return self._record.id
        raise self._record.error or NotOpen()

    async def wait(self, timeout: float | None = None) -> Transcript:
        """Wait until the job has ended and return its transcript.

        Args:
            timeout: Seconds to wait at most; None waits without limit.

        Raises:
            TranscriptionFailed: The service failed it (repeatedly, if the failure was the service's).
            WaitTimeout: The time has passed; the job goes on.
            WaitInterrupted: The client was closed, or could not reach the service.
            AsyncscribeError: Whatever else ended the job.
        """
        record = self._record
        if timeout is None:
            await record.ended.wait()
        else:
            with anyio.move_on_after(timeout):
                await record.ended.wait()
            if not record.ended.is_set():
                raise WaitTimeout(f"{record.name} has not ended within {timeout:g} s", record.id)
        if record.transcript is not None:
            return record.transcript
        raise record.error or NotOpen()


#: Called once a job has ended.
OnEnd = Callable[[LiveJob], None]

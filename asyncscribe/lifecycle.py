"""The states of a job and the steps between them. These names are used everywhere."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """A job's state, seen from the client."""

    CREATED = "created"
    """Nothing has been done yet."""
    UPLOADING = "uploading"
    """Its audio is being sent (or waits to be sent)."""
    WAITING = "waiting"
    """The service can read its audio; it waits for a slot."""
    SUBMITTING = "submitting"
    """It holds a slot; the service is being asked to transcribe it."""
    QUEUED = "queued"
    """The service has queued it: the account's limit is reached."""
    PROCESSING = "processing"
    """The service is transcribing it."""
    COMPLETED = "completed"
    """It ended with a transcript."""
    FAILED = "failed"
    """It ended without a transcript."""
    ABANDONED = "abandoned"
    """Nobody waits for it any more (cancelled, or out of time). If it was submitted, the service goes on with it."""


_END: dict[JobState, frozenset[JobState]] = {
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.ABANDONED: frozenset(),
}
_AT_SERVICE = {JobState.QUEUED, JobState.PROCESSING}

#: The states that may follow each state. `SUBMITTING` after the service had the job is a resubmission.
STEPS: dict[JobState, frozenset[JobState]] = {
    JobState.CREATED: frozenset({JobState.UPLOADING, JobState.WAITING, *_END}) - {JobState.COMPLETED},
    JobState.UPLOADING: frozenset({JobState.WAITING, JobState.FAILED, JobState.ABANDONED}),
    # Back to `UPLOADING` when it waited so long that the upload may be gone.
    # Directly at the service when an earlier process has submitted it.
    JobState.WAITING: frozenset({*_AT_SERVICE, JobState.SUBMITTING, JobState.UPLOADING, *_END}) - {JobState.COMPLETED},
    JobState.SUBMITTING: frozenset({*_AT_SERVICE, JobState.FAILED, JobState.ABANDONED}),
    # A service that moves a job back from processing to queued is odd, but no reason to lose the job.
    JobState.QUEUED: frozenset({JobState.PROCESSING, JobState.SUBMITTING, *_END}),
    JobState.PROCESSING: frozenset({JobState.QUEUED, JobState.SUBMITTING, *_END}),
    **_END,
}


class IllegalStep(Exception):
    """A job was moved by a step that its lifecycle does not have: a bug in this library."""


def check_step(current: JobState, following: JobState) -> None:
    """Raise `IllegalStep` unless `following` may come after `current`; staying is allowed."""
    if following is not current and following not in STEPS[current]:
        raise IllegalStep(f"a job that is {current} can't become {following}")


def is_final(state: JobState) -> bool:
    """Whether no state follows."""
    return not STEPS[state]

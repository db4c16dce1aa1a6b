"""What is to be done about a recording, given what the journal and the output folder say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto

from asyncscribe.batch.journal.records import JobRecord, SavedState


class Plan(Enum):
    """What is to be done about a recording."""

    NOTHING = auto()
    """Its transcript exists."""
    LEAVE = auto()
    """It failed for good, and no retry was asked for."""
    BEGIN_AGAIN = auto()
    """It failed, and is to be tried as if it were new."""
    SHARE = auto()
    """Another recording with the same content is under way: its transcript serves both."""
    WORK = auto()
    """Its job begins or resumes; a completed one is only fetched and written."""


def plan(
    job: JobRecord,
    *,
    formats: Iterable[str],
    outputs_exist: Collection[str],
    files: Mapping[str, int],
    under_way: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """Decide.

    Args:
        job: The job of the recording's present content and configuration.
        formats: What is to be written.
        outputs_exist: The formats of which a file exists.
        files: Which job's transcript was written to each of them.
        under_way: Whether this run works on the job already.
        retry_failed: Whether failed jobs are tried again.
    """
    if under_way:
        return Plan.SHARE
    if job.step is SavedState.COMPLETED and all(
        form in outputs_exist and files.get(form) == job.key for form in formats
    ):
        return Plan.NOTHING
    if job.step is SavedState.FAILED:
        return Plan.BEGIN_AGAIN if retry_failed else Plan.LEAVE
    return Plan.WORK


def is_paid(job: JobRecord) -> bool:
    """Whether a job was submitted, or may have been: resuming it is not paid for again."""
    return bool(job.ids) or job.doubtful_url is not None

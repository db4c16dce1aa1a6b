"""What a batch remembers, and in which steps.

A **recording** is a path or an address, its **identity**, with a **name** in the output folder that is given once and
kept. Its **content** is a hash of its bytes, or an address. Service, content and **configuration** together identify a
**job**, which is paid for once, however many recordings have the same content. Size and modification time only decide
whether a file is hashed again. For each **file** in the output folder, the job whose text is in it is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from asyncscribe.ledger import ResumePoint
from asyncscribe.models.transcript import TranscriptId


class SavedState(StrEnum):
    """The last step of a job that was recorded."""

    FOUND = "found"
    """Nothing worth keeping was done yet."""
    UPLOADED = "uploaded"
    """Its audio is at the service, for 24 hours at least."""
    SUBMITTING = "submitting"
    """A request that may have created a paid job was begun."""
    SUBMITTED = "submitted"
    """The service has it."""
    COMPLETED = "completed"
    """Its transcript was written."""
    FAILED = "failed"
    """The service refused it or failed it; it is left alone unless a retry is asked for."""


#: The status that users see for a recording without a job, or whose job was not begun.
PENDING = "pending"


def status_of(step: SavedState | None) -> str:
    """The last step as users see it; None for a recording without a job."""
    return PENDING if step is None or step is SavedState.FOUND else step.value


class JobRecord(msgspec.Struct, frozen=True):
    """What is known of one job.

    Attributes:
        key: Its number in the journal.
        service: Where it runs.
        content: Identifies what is transcribed.
        config: Fingerprint of the configuration.
        step: How far it got.
        audio_url: Where the service reads the audio.
        uploaded: Unix seconds of the upload; None for a URL.
        doubtful_url: The URL of a submission in doubt.
        doubtful_since: When that began, Unix seconds of the service's clock.
        ids: The service's ids of its submissions, oldest first.
        reason: Why it failed.
        category: The kind of failure.
        audio_seconds: Length of the audio, as the service or a probe reported.
        times: Unix seconds at which it entered each state, by state.
    """

    key: int
    service: str
    content: str
    config: str
    step: SavedState
    audio_url: str | None = None
    uploaded: float | None = None
    doubtful_url: str | None = None
    doubtful_since: float | None = None
    ids: tuple[TranscriptId, ...] = ()
    reason: str | None = None
    category: str | None = None
    audio_seconds: float | None = None
    times: Mapping[str, float] = msgspec.field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether something remains to be done about it."""
        return self.step not in {SavedState.COMPLETED, SavedState.FAILED}

    @property
    def resume(self) -> ResumePoint:
        """The same, as the engine resumes it."""
        return ResumePoint(
            audio_url=self.audio_url,
            uploaded=_moment(self.uploaded),
            ids=self.ids,
            in_doubt_since=_moment(self.doubtful_since),
            doubtful_url=self.doubtful_url,
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of the batch.

    Attributes:
        identity: Its absolute path, or its address without a temporary signature.
        name: Its relative path in the output folder, without a format's suffix.
        source: Its path or address, as shown.
        size: Bytes; None for a URL.
        modified: Nanoseconds of its last change; None for a URL.
        content: Identifies what is in it; None until it is read.
        seconds: Length of its audio as probed; None if it was not probed.
    """

    identity: str
    name: str
    source: str
    size: int | None = None
    modified: int | None = None
    content: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording and its present job.

    Attributes:
        recording: The recording as last seen.
        job: Its job; None before it has one.
        files: Which job's transcript is in each of its files, by format.
        problem: Why the last try failed, if the next run tries again.
    """

    recording: Recording
    job: JobRecord | None
    files: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def status(self) -> str:
        """Its state as users see it."""
        return status_of(self.job.step if self.job else None)

    @property
    def written(self) -> bool:
        """Whether a file has the transcript of its present job."""
        return self.job is not None and self.job.key in self.files.values()

    @property
    def reason(self) -> str | None:
        """Why it is not transcribed: why its job failed, or why the last try did."""
        return (self.job.reason if self.job else None) or self.problem


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A recording that the journal does not know yet.

    Attributes:
        identity: Its absolute path, or its address without a temporary signature.
        source: The same, as shown.
        name: The name it gets if that is free.
    """

    identity: str
    source: str
    name: str


class Journal(Protocol):
    """Remembers a batch.

    Steps are kept in the order of the calls. `times` are all known times of the job: Unix seconds by the state that it
    entered. `submitting` returns once its step is kept for good; other steps may be lost with the process, as long as
    the next run can make up for that without paying again.
    """

    async def bind(self, service: str, *, lasting: bool) -> None:
        """Set the service at which jobs run from now on.

        What was begun at a service that ended with its process (not `lasting`) is begun again. Jobs of other services
        are left as they are.
        """
        ...

    async def fact(self, name: str) -> str | None:
        """A fact about the batch; None if it was never kept."""
        ...

    async def keep_fact(self, name: str, value: str) -> None:
        """Keep a fact about the batch."""
        ...

    async def latest_ids(self, service: str, limit: int) -> list[TranscriptId]:
        """The newest ids that a service gave, newest first."""
        ...

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:
        """What is known of these recordings, by identity."""
        ...

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        """Give newcomers their names and return their entries; None for one whose name is taken.

        Names are compared as file systems do that fold case and normalise.
        """
        ...

    async def alike(self, newcomer: Newcomer) -> list[Entry]:
        """The recordings that have a newcomer's name, or a variant of it because it was taken."""
        ...

    async def name_apart(self, newcomer: Newcomer) -> Entry:
        """Give a newcomer whose name is taken a variant of it."""
        ...

    async def take_over(self, identity: str, newcomer: Newcomer) -> Entry:
        """A known recording has moved: the newcomer takes its place."""
        ...

    def all(self) -> AsyncIterator[Entry]:
        """Everything, by name, a page at a time."""
        ...

    async def assign(self, recordings: Sequence[Recording], config: str) -> list[JobRecord]:
        """Keep recordings whose content is known, and return the job of each with this configuration."""
        ...

    async def keep(self, recording: Recording) -> None:
        """Keep what is known of a recording."""
        ...

    async def uploaded(self, key: int, audio_url: str, times: Mapping[str, float]) -> None:
        """The audio of a job is at the service."""
        ...

    async def submitting(self, key: int, audio_url: str, since: float, times: Mapping[str, float]) -> None:
        """A submission begins, at this moment of the service's clock in Unix seconds."""
        ...

    async def refused(self, key: int) -> None:
        """The submission created no job."""
        ...

    async def submitted(self, key: int, transcript_id: TranscriptId, times: Mapping[str, float]) -> None:
        """The service has the job."""
        ...

    async def rewriting(self, identity: str, formats: Sequence[str]) -> None:
        """Files of a recording are about to be overwritten: until that is kept, their content is unknown."""
        ...

    async def completed(
        self,
        key: int,
        written: Mapping[str, Sequence[str]],
        audio_seconds: float | None,
        times: Mapping[str, float],
    ) -> None:
        """The transcript of a job was written: the formats, by the identity of the recording."""
        ...

    async def failed(self, key: int, reason: str, category: str, times: Mapping[str, float]) -> None:
        """A job failed for good."""
        ...

    async def timed(self, key: int, times: Mapping[str, float]) -> None:
        """More times of a job are known."""
        ...

    async def problem(self, recording: Recording, text: str) -> None:
        """Record why a recording could not be transcribed."""
        ...

    async def begin_again(self, key: int) -> JobRecord:
        """Try a failed job as if it were new."""
        ...

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        """A transcript at the service turned out to be this job's."""
        ...

    async def limit(self, moment: float, limit: int) -> None:
        """From this moment (Unix seconds) on, `limit` jobs could be in flight."""
        ...


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

"""What a batch remembers, and the steps in which it does.

A **recording** is a path or an address, which is its **identity**, with a **name** in the output folder that it was
given once and keeps. Its **content** is a hash of its bytes, or an address. Service, content and **configuration**
together are a **job**, which is paid for once, however many recordings have the same content. Size and time of change
only say whether a file has to be hashed again. Each **file** in the output folder is known with the job whose text
is in it.
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
    """The last step of a job that is known to be done."""

    FOUND = "found"
    """Nothing was done yet that is worth keeping."""
    UPLOADED = "uploaded"
    """Its audio is at the service, for 24 hours at least."""
    SUBMITTING = "submitting"
    """A request that may have made a paid job was begun."""
    SUBMITTED = "submitted"
    """The service has it."""
    COMPLETED = "completed"
    """Its transcript was written."""
    FAILED = "failed"
    """The service refused it or failed it; it is left alone unless that is asked for."""


class JobRecord(msgspec.Struct, frozen=True):
    """What is known of one job.

    Attributes:
        key: The journal's own number of it.
        service: Where it is done.
        content: Identifies what is transcribed.
        config: Fingerprint of the configuration.
        step: How far it got.
        audio_url: Where the service reads the audio.
        uploaded: Unix seconds of the upload; None for a URL.
        doubtful_url: The URL of a submission whose end is not known.
        doubtful_since: When it began, Unix seconds of the service's clock.
        ids: The service's ids of its submissions, oldest first.
        reason: Why it failed.
        category: The kind of failure.
        audio_seconds: Length of the audio, as the service or a probe told.
        times: Unix seconds at which it came into each state, by state.
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
        """The same, as a job picks it up."""
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
        identity: Its absolute path, or its address without what signs that for a time.
        name: Its relative path in the output folder, without a format's suffix.
        source: Its path or address, as it is shown.
        size: Bytes; None for a URL.
        modified: Nanoseconds of its last change; None for a URL.
        content: Identifies what is in it; None until it was read.
        seconds: Length of its audio as probed; None if it was not.
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
        recording: The recording as it was when it was last looked at.
        job: Its job; None before it has one.
        files: Which job's transcript is in each of its files, by format.
        problem: What kept it from being transcribed when that was last tried, if the next run tries it again.
    """

    recording: Recording
    job: JobRecord | None
    files: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def written(self) -> bool:
        """Whether a file has the transcript of its present job."""
        return self.job is not None and self.job.key in self.files.values()

    @property
    def reason(self) -> str | None:
        """Why it is not transcribed: how its job failed, or what kept it from being tried to the end."""
        return (self.job.reason if self.job else None) or self.problem


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A recording that the journal does not know.

    Attributes:
        identity: Its absolute path, or its address without what signs that for a time.
        source: The same as it is shown.
        name: What it would be called if nothing else were called so.
    """

    identity: str
    source: str
    name: str


class Journal(Protocol):
    """Remembers a batch.

    Steps are kept in the order in which they are told. `times` are all that are known of the job: Unix seconds by the
    state that it came into. That a submission begins has been kept for good when the `await`
    of it returns; other steps may be lost with the process, if the next run can make up for that without paying again.
    """

    async def bind(self, service: str, *, lasting: bool) -> None:
        """Say at which service jobs are done from now on.

        What was begun at one that has ended with its process (not `lasting`) is begun again. What other services have
        is left as it is.
        """
        ...

    async def fact(self, name: str) -> str | None:
        """Something that was kept about the batch; None if it was not."""
        ...

    async def keep_fact(self, name: str, value: str) -> None:
        """Keep it."""
        ...

    async def latest_ids(self, service: str, limit: int) -> list[TranscriptId]:
        """The newest ids that a service gave, the newest first."""
        ...

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:
        """What is known of these recordings, by identity."""
        ...

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        """Give newcomers their names, and return what is known of them then; None for one whose name is taken.

        Names are compared as file systems do that fold case and normalise.
        """
        ...

    async def alike(self, newcomer: Newcomer) -> list[Entry]:
        """The recordings that have a newcomer's name, or were given one like it because it was taken."""
        ...

    async def name_apart(self, newcomer: Newcomer) -> Entry:
        """Give a newcomer whose name is taken one like it."""
        ...

    async def take_over(self, identity: str, newcomer: Newcomer) -> Entry:
        """A recording that is known has moved: the newcomer is that one."""
        ...

    def all(self) -> AsyncIterator[Entry]:
        """Everything, by name, a page at a time."""
        ...

    async def assign(self, recordings: Sequence[Recording], config: str) -> list[JobRecord]:
        """Keep recordings whose content is known, and return the job of each content with this configuration."""
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
        """The submission made no job."""
        ...

    async def submitted(self, key: int, transcript_id: TranscriptId, times: Mapping[str, float]) -> None:
        """The service has the job."""
        ...

    async def rewriting(self, identity: str, formats: Sequence[str]) -> None:
        """Files of a recording are about to be written over: until that is kept, what is in them is not known."""
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
        """More is known of when things happened to a job."""
        ...

    async def problem(self, recording: Recording, text: str) -> None:
        """Something kept a recording from being transcribed; for the record."""
        ...

    async def begin_again(self, key: int) -> JobRecord:
        """A failed job is to be tried as if it were new."""
        ...

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        """A job of the service's turned out to be this one."""
        ...

    async def limit(self, moment: float, limit: int) -> None:
        """From this moment (Unix seconds) on, so many jobs could be in flight."""
        ...


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

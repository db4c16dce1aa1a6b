"""Rows of a journal's tables as records, whichever database keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from asyncscribe.batch.journal.records import Entry, JobRecord, Recording, SavedState
from asyncscribe.models.transcript import TranscriptId

#: The columns of a job, for `job_of`.
JOB = (
    "key, service, jobs.content, config, step, audio_url, uploaded, doubtful_url, doubtful_since, ids, reason, "
    "category, audio_seconds, times"
)
#: The columns of a recording and its job, for `entry_of`.
ENTRY = f"identity, name, source, size, modified, recordings.content, seconds, files, problem, {JOB}"
#: The tables of those columns.
JOINED = "recordings LEFT JOIN jobs ON jobs.key = recordings.job"

_STEPS = {step.value: step for step in SavedState}
#: Reads the ids of a job.
IDS = msgspec.json.Decoder(tuple[TranscriptId, ...])
_TIMES = msgspec.json.Decoder(dict[str, float])
_FILES = msgspec.json.Decoder(dict[str, int])


def text_of(values: Mapping[str, float]) -> str:
    """Values as text for a column."""
    return msgspec.json.encode(values).decode()


def entry_of(row: tuple[Any, ...]) -> Entry:
    """A recording and its job."""
    identity, name, source, size, modified, content, seconds, files, problem = row[:9]
    job = None if row[9] is None else job_of(row[9:])
    recording = Recording(identity, name, source, size, modified, content, seconds)
    return Entry(recording, job, _FILES.decode(files) if files != "{}" else {}, problem)


def job_of(row: tuple[Any, ...]) -> JobRecord:
    """A job."""
    key, service, content, config, step, audio_url, uploaded, url, since, ids, reason, category, seconds, times = row
    return JobRecord(
        key=key,
        service=service,
        content=content,
        config=config,
        step=_STEPS[step],
        audio_url=audio_url,
        uploaded=uploaded,
        doubtful_url=url,
        doubtful_since=since,
        ids=IDS.decode(ids),
        reason=reason,
        category=category,
        audio_seconds=seconds,
        times=_TIMES.decode(times) if times != "{}" else {},
    )

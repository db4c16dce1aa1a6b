"""Matches transcripts and files by length, if nothing better is known of them. Pure.

The service reports the length of an uploaded recording in whole seconds, rounded up; a container may report a slightly
different one. So pairs of equal length are matched first, then those a second apart. A pair is sure only if neither
could belong to anything else, and the file has not changed since the transcript was made.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from asyncscribe.models.transcript import TranscriptId

T = TypeVar("T")

#: Candidates that are reported.
MOST_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript whose file is not known.

    Attributes:
        id: The service's id.
        audio_url: The upload it was made from.
        seconds: Length of its audio.
        created: When the service took it, UTC.
    """

    id: TranscriptId
    audio_url: str
    seconds: float
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Unheard:
    """A job whose transcript is not known.

    Attributes:
        key: The job.
        seconds: Length of its audio; None if unknown.
        modified: When its file was last changed, UTC.
    """

    key: int
    seconds: float | None
    modified: datetime


@dataclass(slots=True)
class Matches:
    """Jobs and their transcripts.

    Attributes:
        sure: The transcript of a job, by the job.
        candidates: Transcripts that may belong to a job, by the job; each may belong to another one, or to none.
    """

    sure: dict[int, Heard] = field(default_factory=dict)
    candidates: dict[int, list[Heard]] = field(default_factory=dict)


def match(jobs: Sequence[Unheard], transcripts: Iterable[Heard]) -> Matches:
    """Match jobs and transcripts."""
    heard: defaultdict[int, list[Heard]] = defaultdict(list)
    for transcript in transcripts:
        heard[math.ceil(transcript.seconds)].append(transcript)
    unheard: defaultdict[int, list[Unheard]] = defaultdict(list)
    for job in jobs:
        if job.seconds is not None:
            unheard[math.ceil(job.seconds)].append(job)
    matches = Matches()
    for apart in (0, 1):
        while _pair(unheard, heard, apart, matches):
            pass
    for job in jobs:
        if job.key not in matches.sure and (some := _candidates(job, heard)):
            matches.candidates[job.key] = some
    return matches


def _pair(
    unheard: defaultdict[int, list[Unheard]], heard: defaultdict[int, list[Heard]], apart: int, matches: Matches
) -> bool:
    """Take the pairs in which neither side has a choice; whether there was one."""
    found = False
    for seconds in [length for length, jobs in unheard.items() if jobs]:
        jobs, near = unheard[seconds], _near(heard, seconds, apart)
        if len(jobs) != 1 or len(near) != 1:
            continue
        job, transcript = jobs[0], near[0]
        theirs = math.ceil(transcript.seconds)
        if len(_near(unheard, theirs, apart)) == 1 and not _changed_since(job, transcript):
            matches.sure[job.key] = transcript
            jobs.remove(job)
            heard[theirs].remove(transcript)
            found = True
    return found


def _near(lengths: defaultdict[int, list[T]], seconds: int, apart: int) -> list[T]:
    """Up to two per length within a distance: enough to know whether there is a choice."""
    return [one for length in range(seconds - apart, seconds + apart + 1) for one in lengths.get(length, ())[:2]]


def _changed_since(job: Unheard, transcript: Heard) -> bool:
    return transcript.created is not None and job.modified > transcript.created


def _candidates(job: Unheard, heard: defaultdict[int, list[Heard]]) -> list[Heard]:
    if job.seconds is None:
        some = [one for alike in heard.values() for one in alike[:MOST_CANDIDATES]]
    else:
        seconds = math.ceil(job.seconds)
        some = [one for near in (seconds, seconds - 1, seconds + 1) for one in heard.get(near, ())[:MOST_CANDIDATES]]
    return some[:MOST_CANDIDATES]

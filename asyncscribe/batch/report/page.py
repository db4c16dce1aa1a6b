"""Writes the page. Jobs are written one at a time, so that their number costs no memory."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO

from asyncscribe.files import whole_or_nothing
from asyncscribe.models.transcript import Transcript

#: Bytes of the largest page. An hour of speech takes about 280 KB; a browser takes seconds to open a larger page.
LARGEST = 200_000_000
#: Words of a paragraph, unless the speaker changes sooner.
PARAGRAPH = 80


@dataclass(frozen=True, slots=True)
class ReportJob:
    """One recording of a report.

    Attributes:
        name: Its relative path in the output folder.
        state: The last step of its job, or `pending`.
        reason: Why it failed.
        audio: URLs at which a browser may find the recording; it plays the first that works.
        seconds: Length of the audio.
        submissions: How many times it was submitted.
        transcript_id: The service's id.
        times: Unix seconds at which it entered each state, by state.
        transcript: Its transcript, if available.
    """

    name: str
    state: str
    reason: str | None
    audio: Sequence[str]
    seconds: float | None
    submissions: int
    transcript_id: str | None
    times: Mapping[str, float]
    transcript: Transcript | None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """The top of the page, above the jobs.

    Attributes:
        title: The heading.
        made: When the page was made.
        totals: Names and values, in the order of the page.
        limits: Unix seconds, and how many jobs could be in flight from then on.
    """

    title: str
    made: datetime
    totals: Mapping[str, str]
    limits: Sequence[tuple[float, int]] = ()


class PageTooLarge(Exception):
    """The page would be larger than a browser opens easily."""


async def write_report(
    path: Path, summary: ReportSummary, jobs: AsyncIterable[ReportJob], *, largest: int = LARGEST
) -> int:
    """Write the page, whole or not at all, and return how many jobs are on it.

    Raises:
        OSError: It can't be written.
        PageTooLarge: It would be larger than `largest` bytes.
    """
    with (
        whole_or_nothing(path) as place,
        place.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        return await _write(file, summary, jobs, largest)


async def _write(file: TextIO, summary: ReportSummary, jobs: AsyncIterable[ReportJob], largest: int) -> int:
    parts = files(__package__)
    page = (parts / "page.html").read_text("utf-8")
    before, after = page.split("<!-- jobs -->")
    totals = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in summary.totals.items()
    )
    script = "\n" + (parts / "page.js").read_text("utf-8")
    # Our own files first, so that text from users is not searched for their placeholders.
    before = before.replace("/* style */", (parts / "page.css").read_text("utf-8"))
    before = before.replace("{script}", _hash(script))
    before = before.replace("<!-- title -->", html.escape(summary.title))
    before = before.replace("<!-- made -->", summary.made.strftime("%Y-%m-%d %H:%M:%S %Z"))
    before = before.replace("<!-- totals -->", totals)
    file.write(before)
    file.write(_data("limits", [[moment, limit] for moment, limit in summary.limits]))
    count = 0
    async for job in jobs:
        if file.tell() > largest:
            raise PageTooLarge
        # The data of the row, and the transcript, which is parsed only when it is opened.
        file.write(_data(f"j{count}", _row(job)))
        if job.transcript is not None:
            file.write(_data(f"t{count}", _passages(job.transcript)))
        count += 1
    file.write(after.replace("\n/* script */\n", script))
    return count


def _row(job: ReportJob) -> dict[str, Any]:
    return {
        "name": job.name,
        "state": job.state,
        "reason": job.reason,
        "audio": list(job.audio),
        "seconds": job.seconds,
        "submissions": job.submissions,
        "id": job.transcript_id,
        "times": dict(job.times),
        "text": (job.transcript.text or "") if job.transcript else "",
    }


def _passages(transcript: Transcript) -> list[list[Any]]:
    """Paragraphs as `[speaker, [[text, start, end], ...]]`, times in milliseconds; the speaker where one begins."""
    if transcript.utterances:
        return [part for spoken in transcript.utterances for part in _paragraphs(spoken.speaker, _words(spoken.words))]
    words = _words(transcript.words or ())
    if not words and transcript.text:
        return [[None, [[transcript.text, 0, 0]]]]
    return _paragraphs(None, words)


def _paragraphs(speaker: str | None, words: list[list[Any]]) -> list[list[Any]]:
    starts = range(0, len(words), PARAGRAPH)
    return [[None if start else speaker, words[start : start + PARAGRAPH]] for start in starts]


def _words(words: Sequence[Any]) -> list[list[Any]]:
    return [[word.text, word.start, word.end] for word in words]


def _hash(script: str) -> str:
    """The hash of the script in the page's policy: no other script runs, whatever a text contains."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data(name: str, content: Any) -> str:
    # "<" could end the element, or begin a comment in it.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'

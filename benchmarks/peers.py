"""The clients that are compared, each run in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

POLL_SECONDS = 0.3
KEY = "benchmark"


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is to do.

    Attributes:
        base_url: Address of the server.
        urls: What is to be transcribed.
        limit: The account's limit, for those who have to be told.
        rate_limit: Requests and seconds of the HTTP rate limit, for those who can be told; None leaves the default.
        paced: Whether the pace of status checks is made for jobs of 2 s; else every client keeps its own.
        hurried: Whether the waits after failures are made for jobs of 2 s, too.
    """

    base_url: str
    urls: list[str]
    limit: int
    rate_limit: tuple[int, float] | None = None
    paced: bool = True
    hurried: bool = False


@dataclass(slots=True)
class Report:
    """What a peer did.

    Attributes:
        began: Seconds of `time.monotonic`.
        ended: The same.
        seen: When the transcript of a URL was there, by URL.
        limits: Seconds and our limit, where it changed.
        cpu: Seconds of CPU, user and system, without the imports.
        peak: Most resident memory, bytes.
        problem: What ended the run early.
    """

    began: float = 0.0
    ended: float = 0.0
    seen: dict[str, float] = field(default_factory=dict)
    limits: list[tuple[float, int]] = field(default_factory=list)
    cpu: float = 0.0
    peak: int = 0
    problem: str | None = None


def asyncscribe(task: Task) -> Callable[[Report], None]:
    """This library with its defaults, but for what `changed` says."""
    from asyncscribe import AsyncClient, Backoff, HttpBudget, ResubmissionPolicy, SubmissionPolicy
    from asyncscribe.events import Event, LimitChanged

    options: dict[str, Any] = {}
    if task.paced:
        options["polling"] = Backoff(initial=0.1, factor=1.5, maximum=1.0, jitter=0.1)
    if task.hurried:
        options["submission"] = SubmissionPolicy(lookups=(0.1, 0.3, 1.0, 2.0), quiet=3.0)
        options["resubmission"] = ResubmissionPolicy(backoff=Backoff(0.2, 2, 3, 0.5))
    if task.rate_limit is not None:
        options["budget"] = HttpBudget(*task.rate_limit)

    async def run(report: Report) -> None:
        def on_event(event: Event) -> None:
            if isinstance(event, LimitChanged):
                report.limits.append((time.monotonic(), event.limit))

        async with AsyncClient(KEY, task.base_url, on_event=on_event, **options) as client:
            async for outcome in client.transcribe_many(task.urls):
                if outcome.ok:
                    report.seen[outcome.source] = time.monotonic()
                else:
                    report.problem = str(outcome.error)

    return lambda report: asyncio.run(run(report))


def aiohttp_with_semaphore(task: Task) -> Callable[[Report], None]:
    """What one writes by hand: a semaphore of the account's limit, a fixed poll, every failed request sent again."""
    import aiohttp

    async def run(report: Report) -> None:
        slots = asyncio.Semaphore(task.limit)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(task.base_url, headers={"Authorization": KEY}, connector=connector) as session:

            async def ask(method: str, path: str, **options: object) -> dict[str, str]:
                for attempt in range(5):
                    try:
                        async with session.request(method, path, **options) as answer:  # type: ignore[arg-type]
                            answer.raise_for_status()
                            document: dict[str, str] = await answer.json()
                            return document
                    except (aiohttp.ClientError, ValueError):
                        if attempt == 4:
                            raise
                        await asyncio.sleep(0.1 * 2**attempt)
                raise AssertionError

            async def one(url: str) -> None:
                async with slots:
                    job = await ask("POST", "/v2/transcript", json={"audio_url": url})
                    while job["status"] not in {"completed", "error"}:
                        await asyncio.sleep(POLL_SECONDS if task.paced else 3.0)
                        job = await ask("GET", f"/v2/transcript/{job['id']}")
                    if job["status"] == "completed":
                        report.seen[url] = time.monotonic()

            await asyncio.gather(*map(one, task.urls), return_exceptions=True)

    return lambda report: asyncio.run(run(report))


def sdk_in_threads(task: Task) -> Callable[[Report], None]:
    """The vendor's SDK, a thread for each job in flight."""
    import assemblyai as aai

    aai.settings.api_key, aai.settings.base_url = KEY, task.base_url
    if task.paced:
        aai.settings.polling_interval = POLL_SECONDS
    transcriber = aai.Transcriber()

    def run(report: Report) -> None:
        def one(url: str) -> None:
            try:
                if transcriber.transcribe(url).status == aai.TranscriptStatus.completed:
                    report.seen[url] = time.monotonic()
            except Exception as error:  # noqa: BLE001 - a lost job is what is counted
                report.problem = repr(error)[:200]

        with ThreadPoolExecutor(task.limit) as threads:
            list(threads.map(one, task.urls))

    return run


def sdk_async(task: Task) -> Callable[[Report], None]:
    """The vendor's SDK, its asynchronous group."""
    import assemblyai as aai

    aai.settings.api_key, aai.settings.base_url = KEY, task.base_url
    if task.paced:
        aai.settings.polling_interval = POLL_SECONDS

    async def run(report: Report) -> None:
        async with aai.AsyncTranscriber() as transcriber:
            try:
                group = await transcriber.transcribe_group(list(task.urls), max_concurrency=task.limit)
            except Exception as error:  # noqa: BLE001 - that the group raises is what is shown
                report.problem = repr(error)[:200]
                return
            for transcript in cast("list[Any]", group):
                if transcript.status == aai.TranscriptStatus.completed:
                    # It tells of all at once, in the end.
                    report.seen[str(transcript.audio_url)] = time.monotonic()

    return lambda report: asyncio.run(run(report))


PEERS: dict[str, Callable[[Task], Callable[[Report], None]]] = {
    "asyncscribe": asyncscribe,
    "aiohttp + semaphore": aiohttp_with_semaphore,
    "SDK in threads": sdk_in_threads,
    "SDK AsyncTranscriber": sdk_async,
}


def changed(peer: str, task: Task) -> str:
    """What a peer was told, or set otherwise than its defaults are; stands beside its figures."""
    ours = peer == "asyncscribe"
    told = [] if ours else [f"{task.limit} at once"]
    if task.paced:
        told.append("status checks from 0.1 to 1 s apart (1 to 10)" if ours else f"polls every {POLL_SECONDS} s (3)")
    if ours and task.hurried:
        told.append("lost submissions looked for over 3 s (60), resubmits after 0.2 s (2)")
    if ours and task.rate_limit is not None:
        told.append(f"{task.rate_limit[0]:,} requests per {task.rate_limit[1]:g} s")
    return "; ".join(told) or "nothing"


def _work(name: str, task: Task, pipe: Connection) -> None:
    logging.disable()
    report = Report()
    run = PEERS[name](task)
    report.began, before = time.monotonic(), time.process_time()
    run(report)
    report.ended, report.cpu = time.monotonic(), time.process_time() - before
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            report.peak = 1024 * int(line.split()[1])
    pipe.send(report)


class Peer:
    """A peer at work in a process of its own."""

    def __init__(self, name: str, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(name, task, theirs), daemon=True)
        self._process.start()

    def report(self, timeout: float) -> Report:
        """Wait for its end; a run that takes longer than `timeout` seconds is given up.

        Raises:
            TimeoutError: It was.
        """
        try:
            if not self._pipe.poll(timeout):
                raise TimeoutError(f"no end within {timeout:g} s")
            report: Report = self._pipe.recv()
            return report
        finally:
            self._process.terminate()
            self._process.join()

"""What the journal of a batch costs, and how soon a large batch goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from asyncscribe import AsyncClient, Backoff, HttpBudget, TranscriptionConfig
from asyncscribe.batch import Batch, Format, SqliteJournal
from asyncscribe.batch.inputs.identity import content_of_url, fingerprint, identity_of
from asyncscribe.batch.journal.records import Entry, JobRecord, Journal, Newcomer, Recording, SavedState
from asyncscribe.batch.journal.sqlite import JOURNAL_NAME
from asyncscribe.batch.outputs import FolderOutputs
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.sources import name_of
from benchmarks.world import World, running

KEY = "benchmark"
#: Recordings of the resumed batch that are left to do.
LEFT = 200


def journal(*, quick: bool) -> list[dict[str, Any]]:
    """CPU per job of a batch, against one that forgets its steps, and against no batch; the least of turns."""
    world = World(jobs=300 if quick else 800, mean=0.3 if quick else 0.5, limit=100)
    rounds = 1 if quick else 9
    works = {"files written, no batch": _write, "batch that keeps nothing": _forgetful, "batch": _batch}
    rows: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            with running(world) as server:
                rows[name].append(_apart(work, server.base_url, world.urls()))
    least = {name: min(values) for name, values in rows.items()}
    bare = least["files written, no batch"]
    return [
        {"what": name, "cpu_ms_per_job": round(1000 * cpu / world.jobs, 2), "ratio": round(cpu / bare, 3)}
        for name, cpu in least.items()
    ]


def resume(*, quick: bool) -> list[dict[str, Any]]:
    """A batch of many recordings of which all but a few are done: until the first submission, and the memory."""
    count = 10_000 if quick else 100_000
    world = World(jobs=count, mean=0.5, limit=100)
    with tempfile.TemporaryDirectory() as folder, running(world) as server:
        urls = world.urls()
        asyncio.run(_prepare(Path(folder), server.base_url, urls[:-LEFT]))
        begun = time.monotonic()
        peak = _apart(_resume, server.base_url, [folder, *urls])
        first = min(job.taken for job in server.truth().jobs) - begun
    return [{"recordings": count, "seconds_to_first_submission": round(first, 2), "peak_mib": round(peak / 2**20, 1)}]


Work = Callable[[str, list[str]], Awaitable[float]]


def _apart(work: Work, base_url: str, arguments: list[str]) -> float:
    """The result of a coroutine function that runs in a process of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(work, base_url, arguments, theirs), daemon=True)
    process.start()
    # Else nobody would hear of its end.
    theirs.close()
    try:
        result: float = ours.recv()
        return result
    finally:
        process.join(10)


def _run(work: Callable[[str, list[str]], Any], base_url: str, arguments: list[str], pipe: Connection) -> None:
    pipe.send(asyncio.run(work(base_url, arguments)))


def _client(base_url: str) -> AsyncClient:
    polling = Backoff(initial=0.1, factor=1.5, maximum=1.0, jitter=0.1)
    return AsyncClient(KEY, base_url, concurrency=100, polling=polling, budget=HttpBudget(10**7))


async def _write(base_url: str, urls: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        outputs = FolderOutputs(Path(folder), [Format.JSON])
        async with _client(base_url) as client:
            before = time.process_time()
            async for outcome in client.transcribe_many(urls):
                if outcome.transcript is not None:
                    await outputs.write(str(outcome.index), outcome.transcript)
            return time.process_time() - before


async def _batch(base_url: str, urls: list[str]) -> float:
    return await _batch_with(base_url, urls, None)


async def _forgetful(base_url: str, urls: list[str]) -> float:
    return await _batch_with(base_url, urls, _Forgetful())


async def _batch_with(base_url: str, urls: list[str], journal: Journal | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with _client(base_url) as client:
            before = time.process_time()
            async with Batch(client, folder, journal=journal) as batch:
                async for outcome in batch.run(urls):
                    if outcome.error is not None:
                        raise outcome.error
            return time.process_time() - before


async def _resume(base_url: str, arguments: list[str]) -> float:
    folder, *urls = arguments
    async with _client(base_url) as client, Batch(client, folder) as batch:
        async for outcome in batch.run(urls):
            if outcome.error is not None:
                raise outcome.error
    return _peak()


def _peak() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    raise RuntimeError("the peak of memory is read from /proc, which Linux has")


async def _prepare(folder: Path, base_url: str, urls: list[str]) -> None:
    """A journal and an output folder as if these had been transcribed."""
    async with SqliteJournal(folder) as made:
        await made.bind(base_url, lasting=True)
        await made.keep_fact("salt", "")
        await made.keep_fact(f"key {base_url}", _client(base_url).key_digest(""))
    config = fingerprint(TranscriptionConfig())
    connection = sqlite3.connect(folder / JOURNAL_NAME)
    for number, url in enumerate(urls, 1):
        name = str(number - 1)
        job = (number, base_url, content_of_url(url), config, json.dumps([f"{number:036}"]))
        connection.execute(
            "INSERT INTO jobs (key, service, content, config, step, ids) VALUES (?, ?, ?, ?, 'completed', ?)", job
        )
        recording = (identity_of(url), name, name, name_of(url), content_of_url(url), number, f'{{"json": {number}}}')
        connection.execute(
            "INSERT INTO recordings (identity, name, folded, source, content, job, files) VALUES (?, ?, ?, ?, ?, ?, ?)",
            recording,
        )
        (folder / f"{name}.json").write_text("{}")
    connection.commit()
    connection.close()


class _Forgetful:
    """A journal that only gives numbers: what a batch costs without keeping anything."""

    def __init__(self) -> None:
        self._keys = itertools.count(1)

    async def bind(self, service: str, *, lasting: bool) -> None:
        pass

    async def fact(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's name
        return None

    async def keep_fact(self, name: str, value: str) -> None:
        pass

    async def latest_ids(self, service: str, limit: int) -> list[TranscriptId]:  # noqa: ARG002 - the protocol's names
        return []

    async def entries(self, identities: Sequence[str]) -> dict[str, Entry]:  # noqa: ARG002 - the protocol's name
        return {}

    async def alike(self, newcomer: Newcomer) -> list[Entry]:  # noqa: ARG002 - the protocol's name
        return []

    async def name(self, newcomers: Sequence[Newcomer]) -> list[Entry | None]:
        return [Entry(Recording(one.identity, one.name, one.source), None) for one in newcomers]

    async def name_apart(self, newcomer: Newcomer) -> Entry:
        return Entry(Recording(newcomer.identity, newcomer.name, newcomer.source), None)

    async def take_over(self, identity: str, newcomer: Newcomer) -> Entry:  # noqa: ARG002 - the protocol's name
        return await self.name_apart(newcomer)

    async def all(self) -> AsyncIterator[Entry]:
        entries: tuple[Entry, ...] = ()
        for entry in entries:
            yield entry

    async def assign(self, recordings: Sequence[Recording], config: str) -> list[JobRecord]:
        return [JobRecord(next(self._keys), "", one.content or "", config, SavedState.FOUND) for one in recordings]

    async def keep(self, recording: Recording) -> None:
        pass

    async def uploaded(self, key: int, audio_url: str, times: Mapping[str, float]) -> None:
        pass

    async def submitting(self, key: int, audio_url: str, since: float, times: Mapping[str, float]) -> None:
        pass

    async def refused(self, key: int) -> None:
        pass

    async def submitted(self, key: int, transcript_id: TranscriptId, times: Mapping[str, float]) -> None:
        pass

    async def rewriting(self, identity: str, formats: Sequence[str]) -> None:
        pass

    async def completed(
        self, key: int, written: Mapping[str, Sequence[str]], audio_seconds: float | None, times: Mapping[str, float]
    ) -> None:
        pass

    async def failed(self, key: int, reason: str, category: str, times: Mapping[str, float]) -> None:
        pass

    async def timed(self, key: int, times: Mapping[str, float]) -> None:
        pass

    async def problem(self, recording: Recording, text: str) -> None:
        pass

    async def begin_again(self, key: int) -> JobRecord:
        return JobRecord(key, "", "", "", SavedState.FOUND)

    async def adopt(self, key: int, transcript_id: TranscriptId, audio_url: str | None) -> None:
        pass

    async def limit(self, moment: float, limit: int) -> None:
        pass

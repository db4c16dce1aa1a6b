"""The process of the clients: those who ask, and what they were told."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from asyncscribe import (
    AsyncClient,
    AsyncscribeError,
    Backoff,
    HttpBudget,
    ResubmissionPolicy,
    SubmissionPolicy,
    Transcript,
    TranscriptionRequest,
    WaitTimeout,
)
from asyncscribe.api.network import KEEPALIVE
from asyncscribe.events import Event, StateChanged
from benchmarks.soak.books import sizes
from benchmarks.soak.records import Quiet, Report, Sample, Soak

KEY = "benchmark"
#: Seconds of a job, mean.
JOB_SECONDS = 0.5
#: Callers at once; while there are more, no new ones come.
CALLERS = 400
#: Seconds for which callers may still take once no new ones come; then they are stuck.
PATIENCE = 90.0
#: Seconds for which a lost submission is looked for: longer than one acts late and the list lags, together.
QUIET = 4.0
#: Bytes of the largest upload.
LARGEST = 30_000


def work(soak: Soak, base_url: str, pipe: Connection) -> None:
    """Load the server, and send the report."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        pipe.send(asyncio.run(_Load(soak, base_url, Path(folder)).run()))


class _Load:
    """Those who ask, and what they were told. Nothing here grows with the time, but for two files."""

    def __init__(self, soak: Soak, base_url: str, folder: Path) -> None:
        self._soak = soak
        self._rng = random.Random(soak.seed)
        self._report = Report()
        self._numbers = itertools.count()
        self._callers: set[asyncio.Task[None]] = set()
        self._file = folder / "recording.wav"
        self._file.write_bytes(self._rng.randbytes(LARGEST))
        self._ids = folder / "ids"
        self._doubts = folder / "doubts"
        self._told = {path: path.open("w") for path in (self._ids, self._doubts)}
        self._process = psutil.Process()
        self._began = time.monotonic()
        options: dict[str, Any] = {
            "polling": Backoff(initial=0.1, factor=1.5, maximum=1.0, jitter=0.1),
            "submission": SubmissionPolicy(lookups=(0.1, 0.3, 1.0, 2.0), quiet=QUIET, again=1.0),
            "resubmission": ResubmissionPolicy(backoff=Backoff(0.2, 2, 3, 0.5)),
            "budget": HttpBudget(10**6),
            "spool": 2**20,
            "on_event": self._on_event,
        }
        self._steady = AsyncClient(KEY, base_url, **options)
        self._reopened = AsyncClient(KEY, base_url, **options)
        self._closings = 0
        self._is_open = False

    async def run(self) -> Report:
        """Load in rounds, with samples all the time."""
        sampling = asyncio.create_task(self._sample())
        async with self._steady:
            await self._rest()
            for _ in range(self._soak.rounds):
                await self._open()
                await self._ask(self._soak.seconds / self._soak.rounds / 2)
                await self._close()
                await self._open()
                await self._ask(self._soak.seconds / self._soak.rounds / 2)
                await self._close()
                if self._callers:
                    await asyncio.wait(self._callers, timeout=PATIENCE)
                await self._rest()
        sampling.cancel()
        self._report.stuck = len(self._callers)
        for file in self._told.values():
            file.close()
        self._report.ids = set(self._ids.read_text().split())
        self._report.in_doubt = set(self._doubts.read_text().split())
        return self._report

    # What is looked at.

    async def _sample(self) -> None:
        while True:
            self._report.samples.append(
                Sample(
                    round(time.monotonic() - self._began, 1),
                    round(self._process.memory_info().rss / 2**20, 2),
                    self._sockets(),
                    self._process.num_fds(),
                    len(asyncio.all_tasks()),
                    self._steady.stats.totals.started + self._reopened.stats.totals.started,
                )
            )
            await asyncio.sleep(self._soak.every)

    def _sockets(self) -> int:
        return len(self._process.net_connections("inet"))

    async def _rest(self) -> None:
        """Wait until the connections were idle for long enough, and see what is left."""
        # Its connector looks for idle connections as seldom as they may get old.
        for _ in range(int(2 * KEEPALIVE) + 6):
            if not self._sockets():
                break
            await asyncio.sleep(1)
        gc.collect()
        books = sizes(self._steady, "steady") | sizes(self._reopened, "reopened")
        self._report.quiet.append(
            Quiet(
                round(time.monotonic() - self._began, 1),
                self._sockets(),
                self._process.num_fds(),
                len(asyncio.all_tasks()),
                len(gc.get_objects()),
                {path: size for path, size in sorted(books.items()) if size},
            )
        )

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, StateChanged):
            return
        if event.transcript_id is not None:
            self._tell(self._ids, event.transcript_id)
        if event.may_exist:
            self._tell(self._doubts, event.metadata)

    def _tell(self, path: Path, text: str) -> None:
        self._told[path].write(f"{text}\n")

    # Opening and closing.

    async def _open(self) -> None:
        await self._reopened.__aenter__()
        self._is_open = True

    async def _close(self) -> None:
        self._is_open = False
        self._closings += 1
        for transcript_id in await self._reopened.aclose(drain=self._rng.choice([0.0, 0.5, 3.0])):
            self._tell(self._ids, transcript_id)

    # Those who ask.

    async def _ask(self, seconds: float) -> None:
        """Begin jobs at a steady rate."""
        began = time.monotonic()
        due = began
        while (now := time.monotonic()) < began + seconds:
            if now < due:
                await asyncio.sleep(due - now)
            jobs = self._begin() if len(self._callers) < CALLERS else 1
            due = max(due + jobs / self._soak.rate, now - 1)

    def _begin(self) -> int:
        """Begin what comes by chance, and return how many jobs it has."""
        client = self._reopened if self._is_open and self._rng.random() < 0.5 else self._steady
        chance = self._rng.random()
        if chance < 0.01:
            count = self._rng.randrange(10, 60)
            self._start(self._many(client, count, self._closings))
            return count
        if chance < 0.02:
            self._start(self._look(client))
            return 1
        task = self._start(self._caller(client, self._closings, self._one))
        if self._rng.random() < 0.1:
            asyncio.get_running_loop().call_later(self._rng.uniform(0, 3), task.cancel)
        return 1

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)
        return task

    async def _caller(self, client: AsyncClient, closings: int, ask: Callable[[AsyncClient], Awaitable[None]]) -> None:
        """Ask, and keep how it ended."""
        try:
            await ask(client)
        except asyncio.CancelledError:
            self._report.ends["left"] += 1
        except WaitTimeout:
            self._report.ends["timed out"] += 1
        except Exception as error:  # noqa: BLE001 - a lost job is what is counted
            self._failed(client, closings, error)

    def _failed(self, client: AsyncClient, closings: int, error: BaseException | None) -> None:
        if client is self._reopened and closings != self._closings and isinstance(error, AsyncscribeError):
            self._report.ends["closed"] += 1
        else:
            self._report.ends[f"failed {type(error).__name__}"] += 1
            print(f"failed: {error!r}", flush=True)

    async def _one(self, client: AsyncClient) -> None:
        request = self._request()
        chance = self._rng.random()
        timeout = self._rng.uniform(0.01, 5) if chance < 0.05 else None
        if chance < 0.7:
            transcript = await client.transcribe(request, timeout=timeout)
        elif chance < 0.85:
            transcript = await (await client.submit(request)).wait()
        else:
            transcript = await client.start(request, priority=1).wait()
        self._completed(request, transcript)

    async def _many(self, client: AsyncClient, count: int, closings: int) -> None:
        """A loop over many, which may be left, politely or not."""
        last = self._rng.choice([count, count, self._rng.randrange(count)])
        requests = (self._request() for _ in range(count))
        outcomes = client.transcribe_many(requests, ordered=self._rng.random() < 0.3)
        polite = self._rng.random() < 0.5

        async def go() -> None:
            async for outcome in outcomes:
                if outcome.ok:
                    self._completed(outcome.request, outcome.transcript)
                else:
                    self._failed(client, closings, outcome.error)
                if outcome.index >= last:
                    self._report.ends["loops left"] += 1
                    break

        async def ask(_: AsyncClient) -> None:
            if polite:
                async with aclosing(outcomes):
                    await go()
            else:
                await go()

        await self._caller(client, closings, ask)

    async def _look(self, client: AsyncClient) -> None:
        """Read some of the list, which may be refused."""
        with suppress(AsyncscribeError):
            async with aclosing(client.list(page_size=20)) as items:
                async for _ in items:
                    if self._rng.random() < 0.05:
                        break

    def _completed(self, request: TranscriptionRequest[Any, Any], transcript: Transcript) -> None:
        self._report.ends["completed"] += 1
        self._report.wrong += transcript.document.get("prompt") != request.metadata
        self._tell(self._ids, transcript.id)

    def _request(self) -> TranscriptionRequest[Any, str]:
        number = next(self._numbers)
        tag = f"job{number}"
        return TranscriptionRequest(self._source(number), {"prompt": tag}, metadata=tag)

    def _source(self, number: int) -> Any:
        chance = self._rng.random()
        if chance < 0.7:
            seconds = self._rng.uniform(0, 2 * JOB_SECONDS)
            return f"http://soak.test/{number}?seconds={seconds:.3f}&duration=20&words=50"
        if chance < 0.8:
            return self._file
        content = self._rng.randbytes(self._rng.randrange(1_000, LARGEST))
        return content if chance < 0.9 else _stream(content)


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 4096):
        await asyncio.sleep(0)
        yield content[begin : begin + 4096]

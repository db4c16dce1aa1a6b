"""A long time of everything at once: what grows, what gets lost, and what is paid twice.

Two clients in one process work against the local server in another, at a steady rate: URLs, uploads, streams, handles,
loops of `transcribe_many` that are left, callers that are cancelled, jobs with a timeout. The network and the service
fail by chance, and the list is refused, lags, hangs and fails for a while again and again. One client stays open; the
other is closed with a drain under load, and opened again, twice in each round. At the end of a round nothing is asked
for until no connection is left: what tasks, sockets and books hold then must not be more than before the first round.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
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
from asyncscribe.engine.submission import REMEMBERED_IDS
from asyncscribe.events import Event, StateChanged
from asyncscribe.lifecycle import JobState
from asyncscribe.policies.window import PARTS
from asyncscribe.server import FaultPlan, FaultRule, LocalServer
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.faults import Answer, CutBody, Drop, Fault, Hang, Late, When
from benchmarks.world import CREATE, apart

KEY = "benchmark"
LIMIT = 60
#: Seconds of a job, mean.
JOB_SECONDS = 0.5
#: Callers at once; while there are more, no new ones come.
CALLERS = 400
#: Seconds for which callers may still take once no new ones come; then they are stuck.
PATIENCE = 90.0
#: Seconds until a late submission acts, and for which a list lags; together less than a lost one is looked for.
LATE, LAG, QUIET = 1.2, 1.0, 4.0
#: Bytes of the largest upload, and of all that the server keeps.
LARGEST, STORED = 30_000, 100_000_000
#: Part of the time that is not looked at, for caches and pools to fill; and growth of memory that is too much.
WARM_UP, GROWTH = 0.25, 0.05
#: What is said where there is no problem.
NO_PROBLEMS = "none"
#: Books that are meant to fill up, and what they hold at most.
BOUNDED = {"own": REMEMBERED_IDS, "parts": PARTS + 2, "ended": len(JobState)}


@dataclass(frozen=True, slots=True)
class Soak:
    """What is done for how long.

    Attributes:
        seconds: Length of the load, without the quiet times between its rounds.
        faults: Share of requests that meet each fault, and of jobs that the service fails.
        rate: Jobs a second.
        rounds: Parts of the time, with a quiet time after each.
        every: Seconds from one sample to the next.
        seed: Start of all random numbers.
    """

    seconds: float
    faults: float = 0.01
    rate: float = 50.0
    rounds: int = 6
    every: float = 10.0
    seed: int = 0

    def plan(self, seed: int, listed: Fault | None) -> FaultPlan:
        """The faults of requests, and that of every look at the list."""
        rules = [] if listed is None else [FaultRule("GET", "/v2/transcript", 1.0, listed, exact=True)]
        rules += [
            FaultRule(*kind, self.faults, fault)
            for kind in (("GET", "/v2/"), ("POST", "/v2/upload"), CREATE)
            for fault in (Answer(500), Drop(), CutBody())
        ]
        rules += [FaultRule(*CREATE, self.faults, fault) for fault in (Drop(When.AFTER), Late(LATE))]
        return FaultPlan(seed, rules)


@dataclass(frozen=True, slots=True)
class Kept:
    """A job as the server has it."""

    id: str
    prompt: str
    status: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of the process of the clients."""

    seconds: float
    memory_mib: float
    sockets: int
    descriptors: int
    tasks: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """A moment when nothing is asked for: what is still held, and the sizes of both clients' books."""

    seconds: float
    sockets: int
    descriptors: int
    tasks: int
    objects: int
    books: dict[str, int]


@dataclass(slots=True)
class Report:
    """What the clients did.

    Attributes:
        samples: Taken all the time.
        quiet: Taken before the first round and after each.
        ends: How jobs ended, for those who asked.
        wrong: Transcripts that were another job's.
        stuck: Callers that never got an answer.
        ids: Ids that somebody was told.
        in_doubt: Jobs of which somebody was told that they may exist.
    """

    samples: list[Sample] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    stuck: int = 0
    ids: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)


def run(soak: Soak) -> dict[str, Any]:
    """Run it and return its figures; `problems` says what is not as it should be."""
    with apart(_serve, soak) as server:
        with apart(_work, soak, server.recv()) as clients:
            report: Report = clients.recv()
        # What was late may still come.
        time.sleep(2 * LATE)
        server.send("truth")
        kept: list[Kept] = server.recv()
    return figures(soak, report, kept)


def figures(soak: Soak, report: Report, kept: Sequence[Kept]) -> dict[str, Any]:
    """What a run found, held against what the server knows."""
    # The service's own failures are not charged; whoever stays or leaves, a job has one submission that is not failed.
    paid = Counter(job.prompt for job in kept if job.status != "error")
    found: dict[str, Any] = {
        "minutes": round(soak.seconds / 60, 1),
        "faults": soak.faults,
        "jobs": len({job.prompt for job in kept}),
        "submissions": len(kept),
        **{end.replace(" ", "_"): count for end, count in sorted(report.ends.items())},
        "nobody_was_told": sum(job.id not in report.ids and job.prompt not in report.in_doubt for job in kept),
        "paid_twice": sum(count > 1 for count in paid.values()),
        "wrong_transcripts": report.wrong,
        "stuck": report.stuck,
        "failed": sum(count for end, count in report.ends.items() if end.startswith("failed")),
    }
    problems = [f"{name}: {found[name]}" for name in ("nobody_was_told", "paid_twice", "wrong_transcripts", "stuck")]
    problems = [problem for problem in (*problems, f"failed: {found['failed']}") if not problem.endswith(": 0")]
    before, after = tenths([sample.memory_mib for sample in report.samples])
    found |= {"memory_mib_first": round(before, 1), "memory_mib_last": round(after, 1)}
    found["memory_growth_percent"] = round(100 * (after / before - 1), 2)
    if after > (1 + GROWTH) * before:
        problems.append(f"memory: {before:.1f} MiB, later {after:.1f}")
    problems += grown(report.quiet)
    found["problems"] = "; ".join(problems) or NO_PROBLEMS
    return {**found, "samples": [*map(asdict, report.samples)], "quiet": [*map(asdict, report.quiet)]}


def tenths(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first tenth after the warm-up and of the last tenth."""
    warm = values[int(WARM_UP * len(values)) :]
    tenth = max(1, len(warm) // 10)
    return median(warm[:tenth]), median(warm[-tenth:])


def grown(quiet: Sequence[Quiet]) -> list[str]:
    """What is held in the last quiet time and was not before the first round."""
    first, last = quiet[0], quiet[-1]
    names = ("tasks", "sockets")
    found = [(name, getattr(first, name), getattr(last, name)) for name in names]
    # The event loop and its threads open some with the first work.
    settled = quiet[1] if len(quiet) > 2 else last
    found.append(("descriptors", settled.descriptors, last.descriptors))
    for path, size in last.books.items():
        found.append((path, max(first.books.get(path, 0), BOUNDED.get(path.rpartition(".")[2], 0)), size))
    return [f"{name}: {before} before, {after} in the end" for name, before, after in found if after > before]


def sizes(thing: object, path: str) -> dict[str, int]:
    """The number of elements of every collection that an object of this library holds, by its place."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    rest = [(path, thing)]
    while rest:
        path, thing = rest.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | deque):
            if not (isinstance(thing, deque) and thing.maxlen):
                found[path] += len(thing)
            inner: Iterable[object] = thing.values() if isinstance(thing, dict) else thing
            rest += [(path, one) for one in itertools.islice(inner, 16) if _is_ours(one)]
        elif _is_ours(thing):
            slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            names = {*getattr(thing, "__dict__", ()), *slots}
            values = [(f"{path}.{name.strip('_')}", getattr(thing, name, None)) for name in sorted(names)]
            rest += [
                (at, value) for at, value in values if isinstance(value, dict | list | set | deque) or _is_ours(value)
            ]
    return dict(found)


def _is_ours(thing: object) -> bool:
    kind = type(thing)
    return kind.__module__.startswith("asyncscribe") and not isinstance(thing, type)


# The server.


def _serve(soak: Soak, pipe: Connection) -> None:
    asyncio.run(_run_server(soak, pipe))


async def _run_server(soak: Soak, pipe: Connection) -> None:
    engine = SimulatedEngine(error_rate=soak.faults, seed=soak.seed)
    async with LocalServer(engine, limit=LIMIT, largest_total=STORED) as server:
        flapping = asyncio.create_task(_flap(server, soak))
        pipe.send(server.base_url)
        while await asyncio.to_thread(pipe.recv) != "end":
            # By their prompts: an upload has another URL each time that it is sent.
            pipe.send([Kept(one.id, one.document["prompt"], one.status) for one in server.records])
        flapping.cancel()


async def _flap(server: LocalServer, soak: Soak) -> None:
    """Let the list be well for a while, then not."""
    rng = random.Random(soak.seed)
    scale = min(1.0, soak.seconds / 120)
    odd: list[Fault | None] = [None, Answer(403, '{"error": "Forbidden"}'), Hang(), Answer(500)]
    for fault in itertools.cycle(odd):
        server.faults.plan(soak.plan(rng.randrange(2**32), None))
        await asyncio.sleep(scale * rng.uniform(5, 15))
        server.faults.plan(soak.plan(rng.randrange(2**32), fault))
        server.set_list_lag(0.0 if fault else LAG)
        await asyncio.sleep(scale * rng.uniform(2, 8))
        server.set_list_lag(0.0)
        server.faults.release()


# The clients.


def _work(soak: Soak, base_url: str, pipe: Connection) -> None:
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

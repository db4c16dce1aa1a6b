"""The worlds that peers are measured in: a local server in a process of its own, which knows the truth."""

from __future__ import annotations

import asyncio
import heapq
import math
import multiprocessing
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from asyncscribe.server import FaultPlan, FaultRule, LocalServer, RateLimit
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.faults import Answer, CutBody, Drop, Late, When

WORDS = 200
AUDIO_SECONDS = 80
CREATE = ("POST", "/v2/transcript")
#: A service behind a load balancer that has nobody to pass requests to.
DOWN = FaultPlan(0, [FaultRule(method, "/", 1, Answer(503, "")) for method in ("GET", "POST")])


@dataclass(frozen=True, slots=True)
class World:
    """What the server does, and what it is asked for.

    Attributes:
        jobs: Number of URL jobs.
        mean: Mean duration of a job, seconds; lognormal with sigma 0.5.
        limit: Jobs that run at once.
        seed: Start of all random numbers.
        fault_rate: Share of requests that meet each of four faults; twice that for lost answers of submissions, three
            times for jobs that the service fails.
        late: Share of submissions that act 1.2 s after the connection broke.
        list_lag: Seconds until a job is listed.
        rate_limit: Requests and seconds of the HTTP rate limit.
        steps: Seconds after the start, and the account's limit from then on.
        outage: Seconds after the start, and seconds for which every request is answered with 503.
        list_refused: Whether the list is refused.
    """

    jobs: int
    mean: float
    limit: int
    seed: int = 0
    fault_rate: float = 0.0
    late: float = 0.0
    list_lag: float = 0.0
    rate_limit: tuple[int, float] | None = None
    steps: tuple[tuple[float, int], ...] = ()
    outage: tuple[float, float] | None = None
    list_refused: bool = False

    def durations(self) -> list[float]:
        """Seconds of each job."""
        rng = random.Random(self.seed)
        return [rng.lognormvariate(math.log(self.mean) - 0.125, 0.5) for _ in range(self.jobs)]

    def urls(self, name: str = "job") -> list[str]:
        """An address for each job, which tells the simulated engine what to do."""
        return [
            f"http://{name}.test/{number}?seconds={seconds:.3f}&duration={AUDIO_SECONDS}&words={WORDS}"
            for number, seconds in enumerate(self.durations())
        ]

    def ideal(self) -> float:
        """Seconds until the last job ends, first come, first served, if nothing but the jobs took time.

        Where requests are limited, at least until two for each job have been allowed.
        """
        slots = [0.0] * self.limit
        for seconds in self.durations():
            heapq.heapreplace(slots, slots[0] + seconds)
        allowed, window = self.rate_limit or (2 * self.jobs, 0.0)
        return max(*slots, (2 * self.jobs - 1) // allowed * window)

    def faults(self) -> FaultPlan:
        """The faults of requests."""
        rate = self.fault_rate
        html = Answer(502, "<html>Bad gateway</html>", content_type="text/html")
        rules = [
            FaultRule(method, "/v2/transcript", rate, fault)
            for method in ("GET", "POST")
            for fault in (Answer(500), html, Drop(), CutBody())
        ]
        rules += [FaultRule(*CREATE, 2 * rate, Drop(When.AFTER)), FaultRule(*CREATE, self.late, Late(1.2))]
        refused = Answer(403, '{"error": "Forbidden"}')
        rules.append(FaultRule("GET", "/v2/transcript", float(self.list_refused), refused, exact=True))
        return FaultPlan(self.seed, [rule for rule in rules if rule.probability])


@dataclass(frozen=True, slots=True)
class JobTruth:
    """What became of one transcript at the service; times in seconds of `time.monotonic`."""

    url: str
    status: str
    taken: float
    started: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What the server saw.

    Attributes:
        jobs: All transcripts in the order of their creation.
        requests: Requests by method and route.
        rate_limited: Answers with status 429.
    """

    jobs: list[JobTruth]
    requests: dict[str, int]
    rate_limited: int


def _serve(world: World, pipe: Connection) -> None:
    asyncio.run(_run(world, pipe))


async def _run(world: World, pipe: Connection) -> None:
    engine = SimulatedEngine(error_rate=3 * world.fault_rate, seed=world.seed)
    rate_limit = RateLimit(*world.rate_limit) if world.rate_limit else None
    async with LocalServer(engine, limit=world.limit, rate_limit=rate_limit, list_lag=world.list_lag) as server:
        server.faults.plan(world.faults())
        pipe.send(server.base_url)
        loop = asyncio.get_running_loop()
        while (request := await loop.run_in_executor(None, pipe.recv)) != "end":
            if request == "begin":
                for after, limit in world.steps:
                    loop.call_later(after, server.set_limit, limit)
                if world.outage is not None:
                    begin, length = world.outage
                    loop.call_later(begin, server.faults.plan, DOWN)
                    loop.call_later(begin + length, server.faults.plan, world.faults())
                continue
            jobs = [JobTruth(r.audio_url, r.status, r.taken, r.started, r.ended) for r in server.records]
            pipe.send(Truth(jobs, dict(server.requests), server.rate_limited))


@dataclass(frozen=True, slots=True)
class Running:
    """A world that runs.

    Attributes:
        base_url: Address of its server.
        begin: Starts the clock of the steps.
        truth: Asks what the server saw so far.
    """

    base_url: str
    begin: Callable[[], None]
    truth: Callable[[], Truth]


@contextmanager
def apart(work: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run a function in a process of its own for as long as the context lasts, and talk to it.

    Args:
        work: Called with the arguments and its end of the pipe; ends at the message "end".
        arguments: What it is called with.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    # Else nobody would hear of its end.
    theirs.close()
    try:
        yield ours
        ours.send("end")
        process.join(10)
    finally:
        process.terminate()
        process.join()


@contextmanager
def running(world: World) -> Iterator[Running]:
    """Run a world's server for as long as the context lasts."""
    with apart(_serve, world) as pipe:

        def truth() -> Truth:
            pipe.send("truth")
            answer: Truth = pipe.recv()
            return answer

        yield Running(pipe.recv(), lambda: pipe.send("begin"), truth)

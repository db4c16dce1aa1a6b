"""The process of the server, whose list is well for a while, then not."""

from __future__ import annotations

import asyncio
import itertools
import random
from multiprocessing.connection import Connection

from asyncscribe.server import LocalServer
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.faults import Answer, Fault, Hang
from benchmarks.soak.records import Kept, Soak

LIMIT = 60
#: Seconds for which the list lags, now and then.
LAG = 1.0
#: Bytes of all that the server keeps.
STORED = 100_000_000


def serve(soak: Soak, pipe: Connection) -> None:
    """Serve until the message "end"; any other is answered with all that is kept."""
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

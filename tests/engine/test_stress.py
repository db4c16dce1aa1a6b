"""Everything at once, by chance but reproducibly: callers that leave at any await, a network and a service that fail,
a list that lies, callbacks that raise, a client that is closed meanwhile. Whatever happens, every job that the service
has was told, none was paid for twice, and nothing is left.

`ASYNCSCRIBE_SEEDS` and `ASYNCSCRIBE_FIRST_SEED` run more of them, or one again.
"""

import asyncio
import json
import os
import random
from collections import Counter
from contextlib import suppress

import anyio
import pytest

from asyncscribe import (
    AsyncscribeError,
    Backoff,
    ResubmissionPolicy,
    SignedOnDemand,
    SubmissionInDoubt,
    SubmissionPolicy,
    TranscriptionRequest,
)
from asyncscribe.engine.lookup import PASSES
from asyncscribe.events import StateChanged
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, faults, listing
from asyncscribe.server.faults import When
from asyncscribe.sources import name_of
from tests.support import KEY, open_client, recording

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long

SEEDS = int(os.environ.get("ASYNCSCRIBE_SEEDS", "50"))
FIRST = int(os.environ.get("ASYNCSCRIBE_FIRST_SEED", "0"))
JOBS = 300
POST, GET = ("POST", "/v2/transcript"), ("GET", "/v2/")
PLAN = [
    *[FaultRule(*POST, 0.02, fault) for fault in (faults.Drop(When.AFTER), faults.Drop(), faults.CutBody())],
    *[FaultRule(*POST, 0.02, fault) for fault in (faults.Answer(500, when=When.AFTER), faults.Late(1.2))],
    FaultRule(*POST, 0.03, faults.Delay(0.7)),
    FaultRule(*POST, 0.02, faults.Answer(429, "{}", {"Retry-After": "1"})),
    *[FaultRule(*GET, 0.01, fault) for fault in (faults.Answer(500), faults.Drop(), faults.CutBody())],
    *[FaultRule(*GET, 0.01, faults.Answer(status, "{}")) for status in (302, 403, 404)],
]


class Noise(Exception):
    """What callbacks raise."""


class Ledger:
    """Fails now and then, in every way."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    async def _step(self) -> None:
        await asyncio.sleep(self._rng.choice([0, 0, 0.05]))
        chance = self._rng.random()
        if chance < 0.01:
            raise Noise
        if chance < 0.02:
            raise asyncio.CancelledError

    async def uploaded(self, audio_url) -> None:
        await self._step()

    async def submitting(self, audio_url, since) -> None:
        await self._step()

    async def refused(self) -> None:
        await self._step()

    async def submitted(self, transcript_id) -> None:
        await self._step()

    def moved(self, state) -> None:
        if self._rng.random() < 0.02:
            raise self._rng.choice([Noise, asyncio.CancelledError])


class World:
    """One seed: a service, a client, and callers."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.server = LocalServer(limit=60, api_key=KEY, list_lag=self.rng.choice([0, 0, 1]))
        self.server.faults.plan(FaultPlan(seed, PLAN))
        self.ids: set[str] = set()
        self.doubtful: set[str] = set()
        self.named: dict[str, str] = {}
        self.lies = self.rng.choice([None, None, "stale", "empty", "odd"])
        self.true_page = listing.page

    def page(self, service, request) -> bytes:
        """What the list says of the jobs in flight. Of the newest it tells the truth, or no doubt could be settled."""
        page = self.true_page(service, request)
        if self.lies is None or "status" not in request.query or self.rng.random() < 0.5:
            return page
        document = json.loads(page)
        if self.lies == "stale":
            document["transcripts"] = [{"id": r.id, "status": "processing"} for r in service.records[-200:]]
        elif self.lies == "empty":
            document["transcripts"] = []
        else:
            document["transcripts"] += [{"id": "x", "status": None}, 7]
        return json.dumps(document).encode()

    def on_event(self, event) -> None:
        if isinstance(event, StateChanged) and event.transcript_id is not None:
            self.ids.add(event.transcript_id)
        if isinstance(event, StateChanged) and event.may_exist:
            self.doubtful.add(self.named[event.source])
        if self.rng.random() < 0.02:
            raise self.rng.choice([Noise, asyncio.CancelledError])

    def told(self, error: BaseException | None) -> None:
        """Take what a caller was told."""
        if isinstance(error, SubmissionInDoubt):
            self.doubtful.add(error.audio_url)
        if (transcript_id := getattr(error, "transcript_id", None)) is not None:
            self.ids.add(transcript_id)

    def source(self, number: int):
        url = recording(
            f"{number}", seconds=self.rng.choice([0.3, 1, 2, 4]), server_errors=int(self.rng.random() < 0.03)
        )
        self.named[name_of(url)] = self.named[f"signed {number}"] = url
        source = url
        if self.rng.random() < 0.1:

            async def sign():
                await asyncio.sleep(0)
                if self.rng.random() < 0.1:
                    raise self.rng.choice([Noise, asyncio.CancelledError])
                return url

            source = SignedOnDemand(f"signed {number}", sign)
        if self.rng.random() < 0.3:
            return TranscriptionRequest(source, ledger=Ledger(self.rng))
        return source

    async def call(self, client, number: int) -> None:
        """One caller, who may leave at any moment, in any way."""
        source = self.source(number)
        timeout = self.rng.uniform(0.01, 8) if self.rng.random() < 0.1 else None
        try:
            if self.rng.random() < 0.3:
                job = await client.submit(source, priority=self.rng.randrange(3))
                self.ids.add(job.id)
                await job.wait(timeout)
            else:
                transcript = await client.transcribe(source, timeout=timeout, priority=self.rng.randrange(3))
                self.ids.add(transcript.id)
        except (AsyncscribeError, Noise) as error:
            self.told(error)

    async def leave_early(self, client, number: int) -> None:
        async def steps() -> None:
            if self.rng.random() < 0.5:
                for _ in range(self.rng.randrange(300)):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(self.rng.uniform(0, 15))

        work = self.call(client, number)
        match self.rng.randrange(6):
            case 0:
                task = asyncio.create_task(work)
                await steps()
                task.cancel()
                await asyncio.wait([task])
            case 1:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.rng.uniform(0, 15)):
                        await work
            case 2:
                with suppress(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(work)
                        await steps()
                        raise Noise
            case 3:
                with anyio.move_on_after(self.rng.uniform(0, 15)):
                    await work
            case 4:
                async with anyio.create_task_group() as group:
                    group.start_soon(self.call, client, number)
                    work.close()
                    await steps()
                    group.cancel_scope.cancel()
            case _:
                await work

    async def many(self, client, numbers) -> None:
        """A caller of `transcribe_many`, whose iterable may raise, and who may leave the loop."""

        async def sources():
            for number in numbers:
                if self.rng.random() < 0.003:
                    raise self.rng.choice([Noise, asyncio.CancelledError])
                yield self.source(number)

        last = self.rng.choice([10**9, 10**9, 10**9, self.rng.randrange(len(numbers))])
        try:
            async for outcome in client.transcribe_many(sources(), ordered=self.rng.random() < 0.3):
                self.told(outcome.error)
                if outcome.transcript_id is not None:
                    self.ids.add(outcome.transcript_id)
                if outcome.index >= last:
                    break
        except (AsyncscribeError, Noise) as error:
            self.told(error)

    async def run(self) -> None:
        options = {
            "concurrency": self.rng.choice([None, 60, 20]),
            "polling": Backoff(initial=0.3, factor=1.5, maximum=3, jitter=0.1),
            "submission": SubmissionPolicy(lookups=(1, 3), quiet=8),
            "resubmission": ResubmissionPolicy(backoff=Backoff(0.5, 1, 1, 0.5)),
            "on_event": self.on_event,
        }
        client = open_client(self.server, **options)
        async with client:
            async with anyio.create_task_group() as group:
                for number in range(JOBS // 2):
                    group.start_soon(self.leave_early, client, number)
                for begin in range(JOBS // 2, JOBS, 50):
                    group.start_soon(self.many, client, range(begin, begin + 50))
                if self.rng.random() < 0.4:
                    await asyncio.sleep(self.rng.uniform(0, 25))
                    await client.aclose()
            closed = not client._parts.transport.is_open
            while not closed and client._parts.tasks._tasks:
                await asyncio.sleep(0.5)
            self.check_that_nothing_is_left(client)
        # What was late may still come.
        await asyncio.sleep(3)

    def check_that_nothing_is_left(self, client) -> None:
        stats = client.stats
        assert (stats.jobs.held, stats.jobs.waiting, stats.uploads.held, stats.uploads.waiting) == (0, 0, 0, 0)
        assert stats.watcher.watched == 0
        assert (stats.transport.gate.waiting, stats.transport.gate.under_way) == (0, 0)
        assert not client._parts.submitter._urls
        assert client._parts.submitter._lookup._passes.value == PASSES
        assert not client._parts.tasks._tasks
        assert not client._parts.tasks._shields
        assert not client._parts.pipeline._windows

    def check_the_accounts(self) -> None:
        untold = [
            record.id
            for record in self.server.records
            if record.id not in self.ids and record.audio_url not in self.doubtful
        ]
        assert not untold, f"nobody was told of {untold}"
        paid = Counter(record.audio_url for record in self.server.records if record.status != "error")
        assert not {url for url, count in paid.items() if count > 1}


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_whatever_happens_every_job_is_told_and_none_is_paid_twice(nothing_left, monkeypatch, seed):
    world = World(seed)
    monkeypatch.setattr(listing, "page", world.page)
    async with world.server:
        await world.run()
        world.check_the_accounts()

"""Jobs, limiter and watcher together, against a real server on a virtual clock, in whatever order things happen."""

import asyncio
from collections import Counter

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncscribe import AsyncscribeError, Backoff, JobState, SubmissionPolicy
from asyncscribe.events import StateChanged
from asyncscribe.lifecycle import is_final
from asyncscribe.server import LocalServer, faults
from asyncscribe.server.faults import When
from tests.support import KEY, open_client, recording

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long

CREATE = ("POST", "/v2/transcript")
LOOK = ("GET", "/v2/transcript")
FAULTS = {
    "lost answer": (CREATE, faults.Drop(When.AFTER)),
    "late": (CREATE, faults.Late(2)),
    "refused by a 429": (CREATE, faults.Answer(429, "{}", {"Retry-After": "1"})),
    "submission fails": (CREATE, faults.Answer(500)),
    "look fails": (LOOK, faults.Answer(502, "<html>", content_type="text/html")),
    "look is dropped": (LOOK, faults.Drop()),
    "look is cut": (LOOK, faults.CutBody()),
}


class Engine(RuleBasedStateMachine):
    """No job is lost, leaked, ended twice or paid twice, and the bound holds, whatever the order of things."""

    def __init__(self):
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.states = {}
        self.endings = Counter()
        self.tasks = {}
        self.broken = []
        self.run(self.open())

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    async def open(self):
        self.server = await LocalServer(limit=3, api_key=KEY).__aenter__()
        self.client = await open_client(
            self.server,
            concurrency=None,
            polling=Backoff(initial=0.5, factor=1.5, maximum=5, jitter=0),
            submission=SubmissionPolicy(lookups=(1, 3), quiet=10),
            on_event=self.told,
        ).__aenter__()

    def told(self, event):
        if isinstance(event, StateChanged):
            if self.endings[event.job]:
                self.broken.append(f"{event} after the end")
            self.states[event.job] = event.state
            self.endings[event.job] += is_final(event.state)
        held = self.client.stats.jobs.held
        at_service = sum(
            state in {JobState.SUBMITTING, JobState.QUEUED, JobState.PROCESSING} for state in self.states.values()
        )
        if at_service > held + 1:
            self.broken.append(f"{at_service} jobs at the service, {held} slots held")

    @rule(seconds=st.sampled_from([0, 1, 4, 20]), priority=st.integers(0, 2), errors=st.integers(0, 1))
    def add(self, seconds, priority, errors):
        url = recording(f"job{len(self.tasks)}", seconds=seconds, server_errors=errors)

        async def begin():
            self.tasks[url] = asyncio.create_task(self.client.transcribe(url, priority=priority))
            await asyncio.sleep(0)

        self.run(begin())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data):
        url = data.draw(st.sampled_from(sorted(self.tasks)))
        self.tasks[url].cancel()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def wait_for_one_by_its_id_for_a_moment(self, data):
        if not self.server.records:
            return
        record = data.draw(st.sampled_from(range(len(self.server.records))))

        async def wait():
            try:
                await self.client.wait(self.server.records[record].id, timeout=0.1)
            except AsyncscribeError:
                return

        self.run(wait())

    @rule(kind=st.sampled_from(sorted(FAULTS)))
    def break_something(self, kind):
        where, fault = FAULTS[kind]
        self.server.faults.script(*where, fault)

    @rule(limit=st.integers(1, 6))
    def change_the_accounts_limit(self, limit):
        async def change():
            self.server.set_limit(limit)

        self.run(change())

    @rule(seconds=st.sampled_from([0.1, 1, 7, 30]))
    def let_time_pass(self, seconds):
        self.run(asyncio.sleep(seconds))

    @invariant()
    def slots_are_accounted_for(self):
        assert not self.broken
        stats = self.client.stats
        assert stats.jobs.held <= len([state for state in self.states.values() if not is_final(state)])
        assert stats.watcher.watched <= stats.jobs.held
        assert stats.watcher.processing + stats.watcher.queued <= stats.watcher.watched

    def teardown(self):
        try:
            results = self.run(self.finish())
            for (url, task), result in zip(self.tasks.items(), results, strict=True):
                assert task.cancelled() or result.text, url
            paid = Counter(record.audio_url for record in self.server.records if record.status == "completed")
            assert all(count == 1 for count in paid.values()), paid
            assert all(count == 1 for count in self.endings.values())
            assert not self.broken
            stats = self.client.stats
            assert stats.jobs.held == stats.jobs.waiting == stats.watcher.watched == 0
        finally:
            self.run(self.close())
            self.loop.close()

    async def finish(self):
        results = await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        # What was left in the middle of its submission is still brought to where its id is known.
        while not all(map(is_final, self.states.values())):
            await asyncio.sleep(0.1)
        return results

    async def close(self):
        await self.client.aclose()
        await self.server.__aexit__(None, None, None)
        for _ in range(5):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)

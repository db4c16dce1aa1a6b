"""A bad network and a bad service, by chance but reproducibly: nothing is lost, nothing is paid twice."""

import random
from collections import Counter

import pytest

from asyncscribe import Backoff, ResubmissionPolicy, SubmissionPolicy
from asyncscribe.server import LocalServer, faults
from asyncscribe.server.faults import When
from tests.support import KEY, open_client, recording

#: Share of requests that meet each fault; submissions are lost in every way.
SUBMISSION = [
    (0.02, faults.Drop(When.AFTER)),
    (0.01, faults.CutBody()),
    (0.01, faults.Answer(500, when=When.AFTER)),
    (0.01, faults.Drop()),
    (0.01, faults.Answer(429, "{}", {"Retry-After": "0"})),
]
OTHER = [(0.01, fault) for fault in (faults.Answer(500), faults.Answer(502, "<html>"), faults.Drop(), faults.CutBody())]


class Chance(faults.Faults):
    """Faults by chance instead of by script."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    def next(self, request) -> faults.Fault | None:
        chance = self._rng.random()
        is_submission = request.method == "POST" and request.path == "/v2/transcript"
        for share, fault in SUBMISSION if is_submission else OTHER:
            chance -= share
            if chance < 0:
                return fault
        return None


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("one_url", [False, True], ids=["many urls", "one url"])
async def test_nothing_is_lost_and_nothing_is_paid_twice(nothing_left, seed, one_url):
    rng = random.Random(seed)
    server = LocalServer(limit=40, api_key=KEY)
    server.faults = Chance(rng)
    sources = [
        recording("same" if one_url else str(n), seconds=1, server_errors=0 if one_url else int(rng.random() < 0.05))
        for n in range(150)
    ]
    options = {
        "concurrency": 40,
        "submission": SubmissionPolicy(lookups=(1, 3), quiet=10),
        "resubmission": ResubmissionPolicy(backoff=Backoff(1, 1, 1, 0)),
    }
    async with server, open_client(server, **options) as client:
        outcomes = [outcome async for outcome in client.transcribe_many(sources)]
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    assert len({outcome.transcript.id for outcome in outcomes}) == len(sources)
    paid = Counter(record.audio_url for record in server.records if record.status == "completed")
    assert paid == Counter(sources)

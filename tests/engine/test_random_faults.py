"""A bad network and a bad service, by chance but reproducibly: nothing is lost, nothing is paid twice."""

import random
from collections import Counter

import pytest

from asyncscribe import Backoff, ResubmissionPolicy, SubmissionPolicy
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, faults
from asyncscribe.server.faults import Late, When
from tests.support import KEY, open_client, recording

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long

#: Submissions are lost in every way.
SUBMISSION = [
    (0.02, faults.Drop(When.AFTER)),
    (0.01, faults.CutBody()),
    (0.01, faults.Answer(500, when=When.AFTER)),
    (0.01, faults.Drop()),
    (0.01, faults.Answer(429, "{}", {"Retry-After": "0"})),
]
OTHER = [faults.Answer(500), faults.Answer(502, "<html>", content_type="text/html"), faults.Drop(), faults.CutBody()]
RULES = [FaultRule("POST", "/v2/transcript", share, fault) for share, fault in SUBMISSION] + [
    FaultRule("GET", "/v2/", 0.01, fault) for fault in OTHER
]
#: Accepted by the service after the client has seen the connection break.
LATE = FaultRule("POST", "/v2/transcript", 0.04, Late(1.2))


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("one_url", [False, True], ids=["many urls", "one url"])
@pytest.mark.parametrize("list_lag", [0.0, 1.0], ids=["", "late submissions and a lagging list"])
async def test_nothing_is_lost_and_nothing_is_paid_twice(nothing_left, seed, one_url, list_lag):
    rng = random.Random(seed)
    server = LocalServer(limit=40, api_key=KEY, list_lag=list_lag)
    server.faults.plan(FaultPlan(seed, [*RULES, LATE] if list_lag else RULES))
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

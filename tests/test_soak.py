"""What `python -m benchmarks soak` reports, and a few seconds of it."""

from dataclasses import replace

import pytest

from benchmarks.soak import run
from benchmarks.soak.books import sizes
from benchmarks.soak.records import Kept, Quiet, Report, Sample, Soak
from benchmarks.soak.verdict import figures, grown, tenths
from tests.support import open_client, recording

SOAK = Soak(60)
QUIET = Quiet(0, sockets=0, descriptors=14, tasks=2, objects=1000, books={"steady.runner.active": 0})


def report(memory=(50.0,), quiet=(QUIET, QUIET), **found):
    samples = [Sample(number, mib, 1, 1, 1, 1) for number, mib in enumerate(memory)]
    return Report(samples, list(quiet), ids={"a", "b"}, **found)


def problems(made, *kept):
    return figures(SOAK, made, kept)["problems"]


def test_what_is_told_and_paid_once_is_no_problem():
    kept = [Kept("a", "job0", "completed"), Kept("b", "job1", "error"), Kept("c", "job2", "processing")]
    made = report(in_doubt={"job2"})
    made.ends["completed"] = 1
    assert problems(made, *kept) == "none"


def test_a_failed_job_that_was_submitted_again_is_not_paid_twice_and_a_completed_one_is():
    assert problems(report(), Kept("a", "job0", "error"), Kept("b", "job0", "completed")) == "none"
    assert problems(report(), Kept("a", "job0", "completed"), Kept("b", "job0", "completed")) == "paid_twice: 1"


def test_a_job_that_nobody_was_told_of_is_a_loss():
    assert problems(report(), Kept("unknown", "job0", "completed")) == "nobody_was_told: 1"


def test_callers_without_their_transcript_are_a_problem():
    made = report(wrong=1, stuck=2)
    made.ends["failed ServerError"] = 3
    assert problems(made) == "wrong_transcripts: 1; stuck: 2; failed: 3"


def test_memory_is_compared_after_the_warm_up_by_medians():
    assert tenths([0.0] * 10 + [10.0] * 3 + [99.0] + [20.0] * 26) == (10.0, 20.0)
    assert problems(report([50.0] * 39 + [90.0])) == "none"
    assert problems(report([50.0] * 36 + [52.4] * 4)) == "none"
    assert problems(report([50.0] * 36 + [52.6] * 4)) == "memory: 50.0 MiB, later 52.6"


@pytest.mark.parametrize("name", ["tasks", "sockets"])
def test_what_is_left_when_nothing_is_asked_for_is_a_problem(name):
    more = replace(QUIET, **{name: getattr(QUIET, name) + 1})
    assert grown([QUIET, more]) == [f"{name}: {getattr(QUIET, name)} before, {getattr(more, name)} in the end"]


def test_books_may_fill_up_to_their_bound():
    def holding(**books):
        return replace(QUIET, books={f"steady.{name}": size for name, size in books.items()})

    assert grown([QUIET, holding(own=10_000, parts=402)]) == []
    assert grown([QUIET, holding(own=10_001)]) == ["steady.own: 10000 before, 10001 in the end"]
    assert grown([QUIET, holding(urls=1)]) == ["steady.urls: 0 before, 1 in the end"]


async def test_the_books_of_a_client_are_found(server):
    async with open_client(server) as client:
        before = sizes(client, "client")
        job = await client.submit(recording(seconds=100))
        during = sizes(client, "client")
        job.cancel()
    found = {path.rpartition(".")[2] for path, size in during.items() if size > before.get(path, 0)}
    # The job, its task, its slot, its watch; an id that is remembered.
    assert {"active", "tasks", "held", "jobs", "own"} <= found


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_short_soak_loses_nothing_and_leaves_nothing():
    found = run(Soak(6, rounds=1, every=0.5))
    assert found["completed"] > 50
    # A few seconds say nothing of memory.
    assert [one for one in found["problems"].split("; ") if not one.startswith("memory")] in ([], ["none"])

import pytest

from asyncscribe import Backoff
from asyncscribe.engine.agenda import Agenda
from asyncscribe.engine.watched import WatchedJob
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.polling import PollPlan


@pytest.fixture
def agenda():
    return Agenda()


def watched(name, due) -> WatchedJob:
    plan = PollPlan.begin(Backoff(initial=1, jitter=0), 0, lambda: 0.5, new=False)
    plan.due = due
    return WatchedJob(TranscriptId(name), plan, new=False, known=True, on_status=[])


def ids(agenda, until, *jobs) -> list[str]:
    return [job.id for job in agenda.take(until, {job.id: job for job in jobs})]


def test_jobs_come_in_the_order_of_their_turns_and_once(agenda):
    jobs = [watched("c", 3), watched("a", 1), watched("b", 2)]
    assert all(agenda.note(job) for job in jobs)
    assert agenda.earliest == 1
    assert ids(agenda, 2, *jobs) == ["a", "b"]
    assert agenda.earliest == 3
    assert ids(agenda, 9, *jobs) == ["c"]
    assert agenda.earliest == float("inf")


def test_an_earlier_turn_makes_the_later_one_void(agenda):
    job = watched("a", 5)
    agenda.note(job)
    assert not agenda.note(job)
    job.plan.due = 1
    assert agenda.note(job)
    assert ids(agenda, 9, job) == ["a"]


def test_one_that_is_watched_no_more_is_passed_over(agenda):
    agenda.note(watched("gone", 1))
    assert ids(agenda, 9) == []
    agenda.note(watched("a", 1))
    agenda.clear()
    assert agenda.earliest == float("inf")

"""Which jobs a run works on, asked by two tasks at once."""

import pytest

from asyncscribe.batch import BatchItem, JobRecord, Recording, SavedState
from asyncscribe.batch.finding import Candidate
from asyncscribe.batch.under_way import UnderWay, Work


def candidate(name):
    return Candidate(BatchItem(name, name), Recording(name, name, name), None)


def work(key):
    job = JobRecord(key, "service", "content", "config", SavedState.FOUND)
    return Work([candidate(f"{key}.wav")], job)


def test_a_job_is_under_way_from_its_begin_to_its_end():
    works, one = UnderWay(), work(1)
    assert not works.has(1)
    works.begin(one)
    assert works.has(1)
    assert not works.has(2)
    works.end(one)
    assert not works.has(1)


def test_a_recording_joins_a_work_and_none_that_has_ended():
    works, one = UnderWay(), work(1)
    works.begin(one)
    works.share(1, candidate("copy.wav"))
    assert [find.name for find in one.candidates] == ["1.wav", "copy.wav"]
    works.end(one)
    with pytest.raises(KeyError):
        works.share(1, candidate("late.wav"))


def test_what_can_not_be_read_has_no_job_and_is_nobodys():
    works, unreadable = UnderWay(), Work([candidate("a.wav")])
    works.begin(unreadable)
    works.end(unreadable)
    assert works.moment == 0


def test_what_was_read_before_a_job_ended_is_known_to_be_old():
    works, one, other = UnderWay(), work(1), work(2)
    before = works.moment
    for begun in (one, other):
        works.begin(begun)
    works.end(one)
    between = works.moment
    works.end(other)
    assert works.has_ended(1, before)
    assert not works.has_ended(1, between)
    assert works.has_ended(2, between)
    assert not works.has_ended(3, before)


def test_what_is_forgotten_is_no_end_of_a_later_moment():
    works, one = UnderWay(), work(1)
    works.begin(one)
    works.end(one)
    moment = works.forget()
    assert not works.has_ended(1, moment)
    works.begin(again := work(1))
    works.end(again)
    assert works.has_ended(1, moment)


async def test_each_end_wakes_those_who_waited_for_it_and_nobody_else():
    works = UnderWay()
    first = works.next_end()
    assert works.next_end() is first
    works.ended()
    second = works.next_end()
    assert first.is_set()
    assert not second.is_set()

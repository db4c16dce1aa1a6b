from datetime import UTC, datetime, timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch.recovery.matching import MOST_CANDIDATES, Heard, Unheard, match

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LENGTHS = st.one_of(st.none(), st.floats(0.1, 8))
HOURS = st.integers(-2, 2)


def job(key, seconds, hours=-1):
    return Unheard(key, seconds, NOON + timedelta(hours=hours))


def heard(name, seconds, hours=0):
    return Heard(
        name, f"https://cdn.test/upload/{name}", seconds, None if hours is None else NOON + timedelta(hours=hours)
    )


def test_what_has_a_length_of_its_own_is_sure():
    matches = match([job(1, 2.9), job(2, 3.3), job(3, 59.2)], [heard("a", 4), heard("b", 3), heard("c", 61)])
    assert {key: found.id for key, found in matches.sure.items()} == {1: "b", 2: "a", 3: "c"}
    assert matches.candidates == {}


def test_what_could_be_of_two_is_a_candidate_of_both():
    matches = match([job(1, 3.5), job(2, 3.6), job(3, 9.5)], [heard("a", 4), heard("b", 4), heard("c", 30)])
    assert matches.sure == {}
    assert {key: {one.id for one in some} for key, some in matches.candidates.items()} == {1: {"a", "b"}, 2: {"a", "b"}}


def test_a_file_that_was_changed_since_is_left_to_somebody_who_knows():
    matches = match([job(1, 3.5, hours=1)], [heard("a", 4)])
    assert matches.sure == {}
    assert [one.id for one in matches.candidates[1]] == ["a"]


def test_a_file_of_unknown_length_may_be_any_that_is_left():
    matches = match([job(1, None), job(2, 5)], [heard("a", 5), heard("b", 7)])
    assert matches.sure[2].id == "a"
    assert [one.id for one in matches.candidates[1]] == ["b"]
    assert match([job(1, None), job(2, 5)], [heard("a", 5)]).candidates == {}


@given(
    st.lists(st.tuples(LENGTHS, HOURS), max_size=8),
    st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), HOURS)), max_size=8),
)
def test_pairs_are_near_unchanged_and_nobody_has_two(files, transcripts):
    jobs = [job(key, *facts) for key, facts in enumerate(files)]
    matches = match(jobs, [heard(str(name), *facts) for name, facts in enumerate(transcripts)])
    assert len({found.id for found in matches.sure.values()}) == len(matches.sure)
    assert not matches.sure.keys() & matches.candidates.keys()
    for key, found in matches.sure.items():
        assert abs(ceil(jobs[key].seconds) - found.seconds) <= 1
        assert found.created is None or jobs[key].modified <= found.created
    taken = {found.id for found in matches.sure.values()}
    for key, some in matches.candidates.items():
        assert 0 < len(some) <= MOST_CANDIDATES
        assert not taken & {one.id for one in some}
        assert jobs[key].seconds is None or all(abs(ceil(jobs[key].seconds) - one.seconds) <= 1 for one in some)


@given(st.sets(st.integers(1, 300), max_size=40), st.randoms())
def test_lengths_that_are_far_apart_are_all_told(lengths, random):
    jobs = [job(length, 2.0 * length - random.random()) for length in lengths]
    transcripts = [heard(str(length), 2 * length) for length in lengths]
    random.shuffle(transcripts)
    assert {key: found.id for key, found in match(jobs, transcripts).sure.items()} == {
        length: str(length) for length in lengths
    }

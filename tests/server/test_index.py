from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.server.index import Index


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["queued", "processing", "completed"]))), st.data())
def test_a_mark_finds_those_that_have_it_from_the_newest_to_the_oldest(changes, data):
    index, marks = Index(), {}
    for position, mark in changes:
        if position in marks:
            index.remove(marks[position], position)
        marks[position] = mark
        index.add(mark, position)
    span = range(data.draw(st.integers(0, 31)), data.draw(st.integers(0, 31)))
    for mark in ("queued", "processing", "completed", "error"):
        expected = [position for position in reversed(span) if marks.get(position) == mark]
        assert list(index.newest_first(mark, span)) == expected

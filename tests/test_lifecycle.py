import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.lifecycle import STEPS, IllegalStep, JobState, check_step, is_final

states = st.sampled_from(JobState)


def test_every_state_is_in_the_table_and_can_be_reached():
    reachable, border = {JobState.CREATED}, [JobState.CREATED]
    while border:
        new = STEPS[border.pop()] - reachable
        reachable |= new
        border.extend(new)
    assert reachable == set(JobState) == set(STEPS)


def test_the_final_states_are_three():
    assert {state for state in JobState if is_final(state)} == {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.ABANDONED,
    }


def test_from_every_other_state_a_job_can_fail_and_be_abandoned():
    for state in JobState:
        if not is_final(state):
            assert {JobState.FAILED, JobState.ABANDONED} <= STEPS[state]


def test_only_a_job_that_the_service_has_can_complete():
    before = {state for state, following in STEPS.items() if JobState.COMPLETED in following}
    assert before == {JobState.QUEUED, JobState.PROCESSING}


@given(states, states)
def test_a_step_is_legal_exactly_if_the_table_has_it(current, following):
    if following is current or following in STEPS[current]:
        check_step(current, following)
    else:
        with pytest.raises(IllegalStep, match=f"{current} can't become {following}"):
            check_step(current, following)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import Backoff
from asyncscribe.policies.polling import (
    CHEAP_RATE,
    FEW,
    LONGEST_GAP,
    PAGE,
    REFUSED_GAP,
    Pace,
    PollPlan,
    Strategy,
    choose_requests,
    most_pages,
)

SCHEDULE = Backoff(initial=1, factor=1.5, maximum=10, jitter=0)


def half() -> float:
    return 0.5


def plan(**values) -> PollPlan:
    made = PollPlan.begin(SCHEDULE, 0.0, half, new=True)
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("watched", "others", "wanted", "strategy"),
    [
        (0, 0, True, Strategy.NONE),
        (1, 0, False, Strategy.NONE),
        (1, 0, True, Strategy.NEWEST),
        (1, 300, True, Strategy.CENSUS),
        (2, 0, False, Strategy.NEWEST),
        (FEW, 0, False, Strategy.NEWEST),
        (FEW, 1, False, Strategy.CENSUS),
        (2, 5_000, False, Strategy.CENSUS),
    ],
)
def test_the_cheapest_way_to_ask_is_taken(watched, others, wanted, strategy):
    assert choose_requests(watched, others, wanted=wanted) is strategy


def test_a_crowd_of_others_costs_a_bounded_number_of_pages():
    assert most_pages(1) == most_pages(PAGE) == 3
    assert most_pages(PAGE + 1) == 4


@given(st.integers(1, 5_000), st.integers(1, 10), st.floats(0.01, 10_000), st.floats(0, 10_000))
def test_pages_cost_less_than_what_they_are_for(watched, pages, duration, age):
    gap = Pace(SCHEDULE).gap(watched, pages, duration, age)
    assert gap >= 0.2
    ends, cheap = gap * watched / duration, gap * CHEAP_RATE
    assert pages <= 0.2 * ends + 1e-6 or pages <= cheap + 1e-6


@given(st.floats(0.1, 1e4), st.integers(1, 1_000))
def test_a_failed_list_is_asked_for_less_and_less_often(gap, failures):
    later = Pace.after_failure(gap, failures, refused=False)
    assert later <= Pace.after_failure(gap, failures + 1, refused=False) <= LONGEST_GAP
    assert Pace.after_failure(gap, failures, refused=True) == REFUSED_GAP


@given(st.floats(0.01, 10), st.floats(1, 4), st.integers(0, 30))
def test_a_schedule_can_be_joined_at_any_age(initial, factor, step):
    schedule = Backoff(initial=initial, factor=factor, maximum=1e6, jitter=0)
    delays = schedule.delays(lambda: 0.0)
    age = sum(next(delays) for _ in range(step))
    assert schedule.delay_at(age, lambda: 0.0) == pytest.approx(next(delays), rel=1e-6)


def test_a_new_job_is_asked_for_after_the_first_delay_and_an_old_one_at_once():
    assert PollPlan.begin(SCHEDULE, 7.0, half, new=True).due == 8
    assert PollPlan.begin(SCHEDULE, 7.0, half, new=False).due == 7


@given(st.lists(st.floats(0.01, 60), max_size=300), st.one_of(st.none(), st.floats(0.1, 1_000)))
def test_a_list_that_keeps_saying_running_delays_a_get_for_a_bounded_while(gaps, duration):
    """E2: however many pages say so, a GET comes after about as long again as jobs take, or as the job has taken."""
    job, now, last = plan(), 0.0, 0.0
    for gap in gaps:
        now += gap
        job.sighted(duration)
        assert job.due <= last + 3 * max(duration or 0, 10) + (last / 2)
        if now >= job.due:
            job.answered(now, half, hinted=False)
            last = now


@given(st.lists(st.floats(0.001, 5), min_size=50, max_size=300))
def test_hints_that_lie_cost_no_more_than_the_schedule_alone(gaps):
    """E2: a list that says "ended", or shows nothing, for ever."""
    lied_to, honest, now = plan(), plan(), 0.0
    checks = scheduled = 0
    for gap in gaps:
        now += gap
        lied_to.hinted(now)
        if now >= lied_to.due:
            checks += 1
            lied_to.answered(now, half, hinted=True)
        if now >= honest.due:
            scheduled += 1
            honest.answered(now, half, hinted=False)
    # One at once, one before the schedule's first delay has passed, and then as the schedule has it.
    assert checks <= scheduled + 2 + now / 10


def test_the_first_hint_is_followed_at_once():
    job = plan(due=100.0)
    job.hinted(3.0)
    assert job.due == 3
    job.answered(3.0, half, hinted=True)
    job.hinted(3.1)
    assert job.due == pytest.approx(4.0)


def test_without_a_list_the_schedule_holds_again():
    job = plan()
    job.sighted(1_000)
    assert job.due == 3_000
    job.unlisted(50.0, half)
    assert job.due == 60

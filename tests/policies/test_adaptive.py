from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.policies.adaptive import LARGEST, LARGEST_RAISE, SLOW_START, AdaptiveLimit, Basis
from asyncscribe.policies.limits import Evidence, Others
from benchmarks.simulator.figures import FOUND, REGAINED
from benchmarks.simulator.model import simulate
from benchmarks.simulator.scenarios import BESIDE, STEADY, STEPPED, STEPS, Neighbour, Scenario

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long

SEEDS = range(3)

counts = st.one_of(st.integers(0, 300), st.integers(0, 10**12))
seconds = st.one_of(st.floats(0, 1e4), st.floats(-1e300, 1e300))
durations = st.one_of(st.none(), st.floats(0, 1e4), st.floats(-1.0, allow_nan=False))
others = st.one_of(st.none(), st.builds(Others, counts, counts))
odd_looks = st.lists(st.builds(Evidence, seconds, counts, counts, counts, others, durations), max_size=60)


@st.composite
def looks(draw):
    """Looks in the order of time, as a service could show them."""
    now, made = 0.0, []
    for look in draw(odd_looks):
        now += draw(st.floats(0, 30))
        made.append(replace(look, now=now))
    return made


@given(odd_looks)
def test_no_look_however_odd_makes_it_fail_or_leave_its_range(seen):
    policy = AdaptiveLimit()
    for look in seen:
        assert 1 <= policy.update(look) <= LARGEST


@given(looks())
def test_it_never_grows_while_nobody_waits_for_a_slot(seen):
    policy = AdaptiveLimit()
    before = policy.initial
    for look in seen:
        limit = policy.update(look)
        assert look.wanted or limit <= before
        before = limit


@given(st.one_of(looks(), odd_looks))
def test_a_look_raises_it_by_a_quarter_at_most_and_in_slow_start_by_two_fifths(seen):
    policy = AdaptiveLimit()
    before = policy.initial
    for look in seen:
        limit = policy.update(look)
        largest = SLOW_START if policy.basis is Basis.SLOW_START else LARGEST_RAISE
        assert limit <= largest * (before + 1)
        before = limit


@given(odd_looks)
def test_the_same_looks_give_the_same_limits(seen):
    first, second = AdaptiveLimit(), AdaptiveLimit()
    assert [first.update(look) for look in seen] == [second.update(look) for look in seen]
    assert first.basis is second.basis


def test_without_a_queue_it_grows_by_three_fifths_with_every_look_that_shows_the_jobs():
    policy = AdaptiveLimit()
    limit = policy.initial
    found = [limit := policy.update(Evidence(n / 2, limit, 0, wanted=1)) for n in range(8)]
    assert found[0] == 8
    assert found[-1] == pytest.approx(214, abs=5)
    assert policy.update(Evidence(9, 100, 0, wanted=1)) == found[-1]
    assert policy.basis is Basis.SLOW_START


def test_alone_it_sits_one_percent_above_what_runs_while_something_is_queued():
    policy = AdaptiveLimit()
    for step in range(100):
        policy.update(Evidence(step / 2, 200, 0, wanted=1, others=Others(), duration=20))
    for step in range(100, 300):
        limit = policy.update(Evidence(step / 2, 200, 3, wanted=1, others=Others(), duration=20))
    assert limit == 202
    assert policy.basis is Basis.ALONE


def test_alone_on_one_slot_it_keeps_one_job_queued():
    policy = AdaptiveLimit()
    for step in range(100):
        limit = policy.update(Evidence(step / 2, 1, 3, wanted=1, others=Others(), duration=20))
    assert limit == 2


def test_repeating_a_look_among_others_does_not_cut_again():
    policy = AdaptiveLimit()
    look = Evidence(0.0, 50, 10, wanted=1, others=Others(150, 30), duration=20)
    found = {policy.update(replace(look, now=step / 2)) for step in range(20)}
    assert found == {policy.initial}  # a cut never raises


def test_the_way_it_was_found_is_told():
    policy = AdaptiveLimit()
    assert policy.basis is Basis.SLOW_START
    policy.update(Evidence(0.0, 5, 5, wanted=1, others=Others(5, 5)))
    assert policy.basis is Basis.CUT
    policy.update(Evidence(0.5, 5, 0, wanted=1, others=Others(5, 0)))
    assert policy.basis is Basis.GROWING
    for step in range(100):
        policy.update(Evidence(1 + step / 2, 1, 4, wanted=1, others=Others(199, 400)))
    assert policy.basis is Basis.FLOOR
    assert repr(policy) == "<AdaptiveLimit 60, floor>"


@pytest.mark.parametrize("mean", [1.0, 2.0])
def test_beside_300_jobs_of_a_neighbour_7_of_100_slots_are_kept_and_90_are_in_use_5_s_after_its_last_job_began(mean):
    neighbour = Neighbour(300, start=10.0, leave=200.0)
    scenario = Scenario("", slots=((0.0, 100),), mean=mean, neighbour=neighbour, length=260.0)
    for seed in SEEDS:
        trace = simulate(scenario, seed=seed)
        ours = [sample.running for sample in trace.clients[0]]
        assert fmean(ours[60:200]) >= 7
        began_last = next(n for n in range(200, 260) if not trace.neighbour[n].queued)
        assert max(ours[began_last : began_last + 6]) >= 90


def test_free_slots_that_were_seen_to_exist_are_taken_at_the_pace_of_looks():
    policy = AdaptiveLimit()
    policy.update(Evidence(0.0, 10, 5, wanted=1, others=Others(90, 200), duration=20))
    found = [policy.update(Evidence(step / 2, 4, 0, wanted=1, others=Others(), duration=20)) for step in range(1, 16)]
    assert max(found[:11]) < 90 <= found[-1] <= 100  # no leap


def test_a_queue_of_others_alone_ends_slow_start():
    policy = AdaptiveLimit()
    policy.update(Evidence(0.0, 5, 0, wanted=1, others=Others(195, 1)))
    policy.update(Evidence(0.5, 5, 0, wanted=1, others=Others(195, 1)))
    assert policy.basis is Basis.GROWING


def measured(scenario: Scenario, seeds=SEEDS) -> tuple[float, float, float]:
    traces = [simulate(scenario, seed=seed) for seed in seeds]
    span = scenario.warmup, scenario.length
    return (
        fmean(trace.mean_busy(*span) for trace in traces),
        fmean(trace.mean_queue(*span) for trace in traces),
        fmean(trace.fairness(*span) for trace in traces),
    )


#: Of each steady scenario: smallest share of busy slots, longest mean queue, smallest Jain index.
PROMISED = dict(
    zip(
        STEADY,
        ((0.99, 3, 1), (0.99, 1.2, 1), (0.99, 5, 0.98), (0.98, 7, 0.98), (0.975, 6, 1), (0.975, 8, 0.97)),
        strict=True,
    )
)


@pytest.mark.parametrize("scenario", STEADY, ids=lambda scenario: scenario.name)
def test_slots_are_busy_queues_short_and_shares_equal(scenario):
    least_busy, longest_queue, least_fair = PROMISED[scenario]
    busy, queue, fairness = measured(scenario)
    assert busy >= least_busy
    assert queue <= longest_queue
    assert fairness >= least_fair - 1e-9


@pytest.mark.parametrize("scenario", STEADY, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("guess", [0.25, 4.0])
def test_a_wrong_guess_of_the_mean_duration_costs_little(scenario, guess):
    least_busy, longest_queue, least_fair = PROMISED[scenario]
    busy, queue, fairness = measured(replace(scenario, guess=guess, length=1_000.0))
    assert busy >= least_busy - 0.002
    assert queue <= 1.8 * longest_queue
    assert fairness >= least_fair - 0.02


@pytest.mark.parametrize(("scenario", "queue"), STEPPED, ids=["alone", "four clients"])
def test_a_changed_limit_is_found_within_two_and_a_half_mean_durations(scenario, queue):
    (down, _), (up, _) = STEPS[1:]
    for seed in SEEDS:
        trace = simulate(scenario, seed=seed)
        assert trace.settles(down, up, busy=0.95, queue=queue) <= FOUND
        assert trace.settles(up, scenario.length, busy=0.95, queue=queue) <= FOUND


@pytest.mark.parametrize(("scenario", "least"), list(zip(BESIDE, (12, 40), strict=True)), ids=["alone", "four clients"])
def test_a_neighbour_that_never_adapts_leaves_some_slots_and_what_it_had_is_taken_when_it_leaves(scenario, least):
    neighbour = scenario.neighbour
    regained = neighbour.leave + REGAINED
    for seed in SEEDS:
        trace = simulate(scenario, seed=seed)
        assert sum(trace.shares(neighbour.start + REGAINED, neighbour.leave)) >= least
        assert trace.mean_busy(regained, regained + 50) >= 0.98
        assert trace.fairness(regained, regained + 50) >= 0.98


@pytest.mark.parametrize("slots", [1, 2_000])
@pytest.mark.parametrize("account_view", [True, False])
def test_the_smallest_and_a_large_limit_are_found(slots, account_view):
    scenario = Scenario("", slots=((0.0, slots),), account_view=account_view, warmup=100.0, length=400.0)
    busy, queue, _ = measured(scenario, range(1))
    assert busy >= 0.975
    assert queue <= max(1.2, 0.03 * slots)


def test_clients_that_flood_the_queue_themselves_let_it_go():
    scenario = replace(BESIDE[0], clients=12, length=1_800.0)
    assert simulate(scenario).mean_queue(1_600, 1_800) <= 30


@pytest.mark.parametrize("clients", [1, 4])
def test_jobs_that_run_but_are_shown_as_queued_for_a_moment_do_not_starve_it(clients):
    busy, _, _ = measured(Scenario("", clients=clients, shown_queued=0.4), range(1))
    assert busy >= 0.975


def test_ends_that_are_noticed_a_second_late_idle_few_slots():
    busy, queue, _ = measured(Scenario("", lag=1.0), range(1))
    assert busy >= 0.98
    assert queue <= 3


def test_a_simulation_is_the_same_for_the_same_seed():
    scenario = Scenario("", clients=2, length=100.0)
    assert simulate(scenario, seed=1) == simulate(scenario, seed=1) != simulate(scenario, seed=2)

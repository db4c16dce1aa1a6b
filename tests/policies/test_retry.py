import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import errors
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.retry import RetryBudget, RetryDecision, RetryPolicy

POLICY = RetryPolicy(
    attempts=3,
    patience=60,
    rate_limited=600,
    backoff=Backoff(initial=1, factor=2, maximum=8, jitter=1),
    longest_pause=60,
)
NEVER_LEFT = errors.ConnectFailed("POST /v2/transcript", "refused")
LOST = errors.ConnectionLost("POST /v2/transcript", "reset")
BROKEN = errors.ServerError("POST /v2/transcript", 500, "oops")
WRONG = errors.BadRequest("POST /v2/transcript", 400, "wrong")


def half() -> float:
    return 0.5


def limited(retry_after: float | None) -> errors.RateLimited:
    return errors.RateLimited("GET /v2/transcript", 429, "Too Many Requests", retry_after)


def decide(error, attempt=1, elapsed=0.0, *, safe=True, reached=False):
    return POLICY.decide(error, attempt, elapsed, safe=safe, reached=reached, random=half)


def test_a_safe_request_is_repeated_after_full_jitter():
    assert decide(LOST, 1) == RetryDecision(0.5)
    assert decide(LOST, 2) == RetryDecision(1.0)


@pytest.mark.parametrize("error", [LOST, BROKEN, errors.ServiceTimeout("r", "t"), errors.UnreadableAnswer("r", "t")])
def test_a_request_that_costs_is_not_repeated_when_the_service_may_have_acted(error):
    assert decide(error, safe=False) is None


@pytest.mark.parametrize("error", [NEVER_LEFT, limited(None)])
def test_a_request_that_costs_is_repeated_when_the_service_can_not_have_acted(error):
    assert decide(error, safe=False) is not None


@pytest.mark.parametrize("error", [WRONG, errors.AuthenticationError("r", 401, "no"), errors.NotFound("r", 404, "no")])
def test_a_refusal_is_final(error):
    assert decide(error) is None


def test_attempts_are_limited_while_the_service_was_never_reached():
    assert decide(NEVER_LEFT, 3) is None


def test_an_outage_of_a_service_that_was_reached_is_waited_out_by_time_and_not_by_count():
    assert decide(NEVER_LEFT, 99, 59, reached=True) is not None
    assert decide(NEVER_LEFT, 99, 61, reached=True) is None
    assert decide(NEVER_LEFT, 1, 61, reached=True) is not None


@pytest.mark.parametrize("asked", [None, 7.0])
def test_a_429_is_repeated_for_longer_than_the_services_window_whatever_the_count(asked):
    assert decide(limited(asked), 99, 400) == RetryDecision(0.0)
    assert decide(limited(asked), 2, 601) is None


def test_a_pause_that_is_too_long_is_raised_instead():
    assert decide(limited(61)) is None
    assert decide(errors.ServerError("r", 503, "busy", 61)) is None


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"patience": -1}, {"rate_limited": -1}, {"longest_pause": -1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="RetryPolicy"):
        RetryPolicy(**wrong)


def test_repeats_are_paid_when_they_are_due_and_never_on_credit():
    budget = RetryBudget(capacity=2, trickle=1)
    for _ in range(10):
        budget.take(0)
    assert budget.level(0) == 0
    assert budget.delay(0) == 1
    assert budget.delay(1) == 0


def test_successes_refill_the_budget_and_a_repeat_that_succeeds_gives_its_token_back():
    budget = RetryBudget(capacity=50, trickle=1)
    for _ in range(50):
        budget.take(0)
    for _ in range(10):
        budget.succeeded(0, repeat=False)
    assert budget.level(0) == pytest.approx(1)
    budget.take(0)
    budget.succeeded(0, repeat=True)
    assert budget.level(0) == pytest.approx(1.1)


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from(["take", "ok", "again"])), max_size=100))
def test_the_budget_stays_within_its_bounds(steps):
    budget, now = RetryBudget(capacity=5, trickle=0.5), 0.0
    for passed, step in steps:
        now += passed
        if step == "take":
            budget.take(now)
        else:
            budget.succeeded(now, repeat=step == "again")
        assert 0 <= budget.level(now) <= 5
        assert budget.delay(now) <= 2

import pytest

from asyncscribe import errors
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.retry import RetryDecision, RetryPolicy

POLICY = RetryPolicy(attempts=3, backoff=Backoff(initial=1, factor=2, maximum=8, jitter=1), longest_pause=60)
NEVER_LEFT = errors.ConnectFailed("POST /v2/transcript", "refused")
LOST = errors.ConnectionLost("POST /v2/transcript", "reset")
BROKEN = errors.ServerError("POST /v2/transcript", 500, "oops")
WRONG = errors.BadRequest("POST /v2/transcript", 400, "wrong")


def half() -> float:
    return 0.5


def limited(retry_after: float | None) -> errors.RateLimited:
    return errors.RateLimited("GET /v2/transcript", 429, "Too Many Requests", retry_after)


def decide(error, attempt=1, safe=True):
    return POLICY.decide(error, attempt, safe=safe, random=half)


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


def test_attempts_are_limited():
    assert decide(LOST, 3) is None


def test_retry_after_is_never_undercut_and_pauses_everything():
    decision = decide(limited(7))
    assert decision is not None
    assert 7 <= decision.delay <= 8
    assert decision.pause_all


def test_a_server_error_with_retry_after_waits_but_pauses_nobody_else():
    decision = decide(errors.ServerError("r", 503, "busy", 7))
    assert decision is not None
    assert decision.delay >= 7
    assert not decision.pause_all


def test_a_pause_that_is_too_long_is_raised_instead():
    assert decide(limited(61)) is None

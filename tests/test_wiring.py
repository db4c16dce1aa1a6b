import dataclasses
import inspect

import pytest

from asyncscribe import AsyncClient, ConfigurationError, FixedLimit
from asyncscribe.wiring import Arguments
from tests.support import KEY, open_client


async def test_a_policy_can_be_given_as_the_limit(server, nothing_left):
    async with open_client(server, concurrency=FixedLimit(3)) as client:
        assert client.stats.jobs.limit == 3


@pytest.mark.parametrize("arguments", [{"concurrency": 0}, {"uploads": 0}])
def test_an_impossible_bound_is_refused(arguments):
    with pytest.raises(ConfigurationError, match="at least 1"):
        AsyncClient(KEY, **arguments)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"retry": 3}, "RetryPolicy"),
        ({"timeouts": {"connect": 3}}, "Timeouts"),
        ({"timeouts": 3}, "Timeouts"),
        ({"polling": 3}, "Backoff"),
        ({"uploads": 0}, "uploads must be at least 1"),
        ({"uploads": "4"}, "uploads can't be a str"),
        ({"concurrency": True}, "concurrency can't be True"),
        ({"concurrency": 2.5}, "concurrency can't be 2.5"),
        ({"resubmission": "x"}, "ResubmissionPolicy"),
        ({"submission": 3}, "SubmissionPolicy"),
        ({"budget": 3}, "HttpBudget"),
        ({"on_event": 3}, "a function"),
        ({"api_key": 5}, "api_key"),
        ({"base_url": 5}, "base_url"),
        ({"spool": "1 GB"}, "number of bytes"),
    ],
)
def test_a_wrong_argument_is_told_where_it_is_passed(arguments, hint):
    """L15: it was taken, and was an `AttributeError` at the first request."""
    with pytest.raises(ConfigurationError, match=hint):
        AsyncClient(**{"api_key": KEY, **arguments})


def test_the_client_has_the_same_defaults_and_no_argument_is_lost():
    client = inspect.signature(AsyncClient).parameters
    fields = {field.name: field.default for field in dataclasses.fields(Arguments)}
    assert fields == {name: parameter.default for name, parameter in client.items()}


def test_arguments_show_no_secret():
    given = Arguments(api_key=KEY, proxy="http://user:sekret@proxy.test", headers={"X-Gateway": "sekret"})
    assert KEY not in repr(given)
    assert "sekret" not in repr(given)

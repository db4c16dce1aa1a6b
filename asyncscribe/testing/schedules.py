"""Quick schedules for clients in tests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy

QUICK: Mapping[str, Any] = MappingProxyType(
    {
        "polling": Backoff(initial=0.01, factor=1.2, maximum=10, jitter=0),
        "retry": RetryPolicy(backoff=Backoff(initial=0.01, factor=2, maximum=8, jitter=0)),
        "resubmission": ResubmissionPolicy(backoff=Backoff(initial=0.01, factor=2, maximum=30, jitter=0)),
        "submission": SubmissionPolicy(lookups=(0.01, 0.1, 1, 3, 10, 30)),
    }
)
"""Client arguments with quick schedules for tests.

The end of a job is noticed at most a fifth too late, and ten minutes of virtual time cost 90 polls. Lost answers are
looked up at once, but the quiet time stays: a late submission must not be made twice.
"""

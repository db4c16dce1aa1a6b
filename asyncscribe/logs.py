"""The logger `asyncscribe`. Each record carries the job that it is about, for formatters and filters.

The attributes of a record are `job` (its number within the client), `source`, `transcript_id` and `metadata` (the
request's); None if a record is about no job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class JobLabel:
    """The labels of log records about a job.

    Only these, because timers copy contexts and keep their content alive for a while.
    """

    job: int
    source: str
    metadata: Any = None
    transcript_id: str | None = None


_NOBODY: dict[str, object] = {"job": None, "source": None, "metadata": None, "transcript_id": None}
_current: ContextVar[JobLabel | None] = ContextVar("asyncscribe job", default=None)


@contextmanager
def about(label: JobLabel) -> Iterator[None]:
    """Label the records that are logged in this context, and in calls from it."""
    token = _current.set(label)
    try:
        yield
    finally:
        _current.reset(token)


class _Labelled(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        label = _current.get()
        labels = _NOBODY
        if label is not None:
            labels = {
                "job": label.job,
                "source": label.source,
                "metadata": label.metadata,
                "transcript_id": label.transcript_id,
            }
        kwargs["extra"] = {**labels, **(kwargs.get("extra") or {})}
        return msg, kwargs


#: The library's logger, with the labels of the present job.
log = _Labelled(logging.getLogger("asyncscribe"), {})

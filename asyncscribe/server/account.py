"""An account's limit of parallel jobs and its first-come, first-served queue. Pure: no I/O and no clock."""

from __future__ import annotations

from collections import OrderedDict


class Account:
    """Decides which jobs run: at most `limit` at once, the others in the order they came.

    Args:
        limit: Jobs that run at once, at least 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"an account's limit must be at least 1, not {limit}")
        self._limit = limit
        self._running: set[str] = set()
        # Ordered like a queue, and a job is removed without a search.
        self._queue: OrderedDict[str, None] = OrderedDict()

    @property
    def limit(self) -> int:
        """Jobs that run at once."""
        return self._limit

    @property
    def running(self) -> int:
        """Jobs that run now."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """Jobs that are queued now."""
        return len(self._queue)

    def add(self, job: str) -> list[str]:
        """Add a job; return the jobs that start now (this one or none)."""
        self._queue[job] = None
        return self._start()

    def finish(self, job: str) -> list[str]:
        """A job has ended; return the jobs that start now."""
        self._running.discard(job)
        self._queue.pop(job, None)
        return self._start()

    def set_limit(self, limit: int) -> list[str]:
        """Change the limit; running jobs go on. Return the jobs that start now."""
        self._limit = limit
        return self._start()

    def _start(self) -> list[str]:
        started = []
        while self._queue and len(self._running) < self._limit:
            job, _ = self._queue.popitem(last=False)
            self._running.add(job)
            started.append(job)
        return started

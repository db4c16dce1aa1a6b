"""How long all requests pause after an answer with 429. Pure: the time is an argument."""

from __future__ import annotations

#: The pauses after 429 answers without `Retry-After`, seconds; each next one if the last was too short. Together they
#: are longer than the service's window, so that even a window that was used up at once has passed.
PAUSES = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)


class Pauses:
    """How long nothing is sent after 429 answers."""

    def __init__(self) -> None:
        self._level = 0
        self.until = float("-inf")

    def refused(self, now: float, sent: float, retry_after: float | None) -> float:
        """Apply a 429 answer, or any other that asks for a pause; return until when nothing may be sent.

        Args:
            now: Seconds on any monotonic clock, the same in all calls.
            sent: When the request was sent. A request that was under way when a pause began says nothing new.
            retry_after: Seconds that the answer asks for; None if it names none. Then the pause grows from one refusal
                to the next; together the pauses are longer than the service's window.
        """
        if retry_after is not None:
            self.until = max(self.until, now + retry_after)
        elif sent >= self.until:
            self.until = now + PAUSES[min(self._level, len(PAUSES) - 1)]
            self._level += 1
        return self.until

    @property
    def is_probing(self) -> bool:
        """Whether the end of the pause was guessed, so that one request is sent ahead of all others."""
        return self._level > 0

    def succeeded(self, sent: float) -> None:
        """A request succeeded.

        Args:
            sent: When it was sent. A request that was under way when a pause began says nothing about its end.
        """
        if sent >= self.until:
            self._level = 0

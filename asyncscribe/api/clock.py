"""The service's time, taken from its answers and continued by this process's monotonic clock.

Whether a job was created before or after an attempt to submit it is decided in the service's time alone, because this
machine's wall clock may be wrong, or be set while jobs are under way.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from statistics import median

from asyncscribe.api import protocol

#: The median of this many answers counts: one server of the service, or one proxy, may have a wrong clock.
REMEMBERED = 5


class ServiceClock:
    """The service's time, to the second, because `Date` headers are no more precise."""

    def __init__(self) -> None:
        self._text: str | None = None
        #: Unix seconds of the service when the monotonic clock stood at 0.
        self._offsets: deque[float] = deque(maxlen=REMEMBERED)
        self._offset: float | None = None

    def observe(self, text: str | None, now: float) -> None:
        """Record a `Date` header.

        Args:
            text: The header; None if there was none.
            now: Seconds of the monotonic clock at which the answer came.
        """
        # The header changes once a second; answers may come by the hundred.
        if text != self._text and (date := protocol.http_date(text)) is not None:
            self._text = text
            self._offsets.append(date.timestamp() - now)
            self._offset = median(self._offsets)

    @property
    def is_known(self) -> bool:
        """Whether an answer has shown the time."""
        return self._offset is not None

    def at(self, moment: float) -> datetime | None:
        """The service's time, UTC, at a moment of the monotonic clock, in seconds; None while it is unknown."""
        return None if self._offset is None else datetime.fromtimestamp(self._offset + moment, UTC)

    def ahead(self, moment: float, local: float) -> float | None:
        """Seconds by which the service's clock is ahead of a local one; None while it is unknown.

        Args:
            moment: Seconds of the monotonic clock.
            local: Unix seconds of the local clock at that moment.
        """
        return None if self._offset is None else self._offset + moment - local

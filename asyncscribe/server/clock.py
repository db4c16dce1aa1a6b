"""The server's own time: the machine's time at the start, continued by the event loop's clock.

So it works with a virtual clock, never jumps with the machine's, and can be wrong on purpose.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


class Clock:
    """The server's clock.

    Args:
        ahead: Seconds by which it is ahead of the machine's clock.
    """

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self._started: tuple[float, datetime] | None = None
        self._second = -1
        self._header = ""

    def now(self) -> datetime:
        """The present time, UTC."""
        loop_time = asyncio.get_running_loop().time()
        if self._started is None:
            self._started = loop_time, datetime.now(UTC)
        began, started = self._started
        return started + timedelta(seconds=loop_time - began + self.ahead)

    def timestamp(self) -> str:
        """The present time as the API writes it: UTC, microseconds, no zone."""
        return self.now().replace(tzinfo=None).isoformat(timespec="microseconds")

    def http_date(self) -> str:
        """The present time as a `Date` header."""
        now = self.now()
        second = int(now.timestamp())
        if second != self._second:
            self._second, self._header = second, format_datetime(now, usegmt=True)
        return self._header

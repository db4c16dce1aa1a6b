"""How many requests may be sent, and when. Pure: the time is an argument.

The service allows an account 20,000 requests in any 300 s. Requests sent are counted in a sliding window, and a request
that fits is sent at once: 2,000 jobs that need 4,000 requests never wait. As the window fills, the rate that is let
through falls: at most the remaining requests, spread over a fortieth of the window.

So work that fits is never slowed, and an endless run gets 95% of the allowance, in bursts: requests that were sent
together leave the window together. A smaller window of the same rate evens out the flow, e.g. `HttpBudget(2_000, 30)`.

Three lanes share the window. Polls may use least of it and slow down first: a late one costs nothing but time.
Submissions may use more. The last part is reserved for results, for lookups of lost answers, and for single requests,
because somebody waits for each of them.

`python -m benchmarks.simulator` compares this rule with a token bucket (5% of the allowance at once, the rest as a
steady rate) and with an even spread (half at once, then only as fast as will never have to stop). 2,000 jobs of 2 s on
200 slots take 24.6 s, and 52.6 s with the bucket; 15,000 jobs of 0.2 s on 500 slots take 311 s, and 459 s and 458 s
with the others. In half an hour of jobs of 0.5 s on 100 slots all three finish the same number within 1%. After a
minute of refusals all recover equally fast. Two clients that know nothing of one another are refused 952 times in half
an hour, 1,142 with the bucket, 134 with the even spread. That is the even spread's advantage, and why after a refusal
this rule limits itself to about what it got.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

#: The window is counted in this many parts; a part that has begun to leave still counts, and so does one more, in case
#: requests took longer to arrive than their answers. That costs half a percent of the allowance and bounds the memory.
PARTS = 400
#: The remaining allowance is spread over this share of the window.
SPREAD = 1 / 40
#: Requests are let through at once as long as they are below the rate times this share of the window.
BURST = 1 / 200
#: Until this share of the allowance is used, no request waits, whatever the burst: no client is that quick.
FREE = 0.2
#: After a refusal the client limits itself to the share `KEPT` of what it sent in the last window, but at least to the
#: share `LEAST` of the allowance, and grows back to the whole allowance in `RECOVERY` windows.
KEPT = 0.9
LEAST = 0.2
RECOVERY = 2.0
#: With fewer requests in a window no job would ever end.
LEAST_REQUESTS = 20
#: Less than this fraction of a request is a rounding error.
ROUNDING = 1e-6


class Lane(IntEnum):
    """What a request is for; lower ones go first."""

    RESULTS = 0
    """Requests that somebody waits for: a transcript that is ready, a lookup of a lost answer, any single request."""
    SUBMISSIONS = 1
    """Uploads and new jobs."""
    POLLS = 2
    """Checks whether jobs have ended."""


#: The lanes as a tuple: iterating an enumeration takes longer than the work done here per lane.
LANES = tuple(Lane)


@dataclass(frozen=True, slots=True)
class HttpBudget:
    """The requests that a client may send.

    Attributes:
        requests: Requests in a window, at least 20. 20,000 is the service's limit for a whole account: give each of
            several processes its share.
        seconds: Length of the window, seconds.
        submissions: The share of the requests that may be used before only results are let through.
        polls: The share that may be used before polls must wait.
    """

    requests: int = 20_000
    seconds: float = 300.0
    submissions: float = 0.98
    polls: float = 0.95

    def __post_init__(self) -> None:
        if self.requests < LEAST_REQUESTS or not 0 < self.seconds < float("inf"):
            raise ValueError(
                f"HttpBudget needs at least {LEAST_REQUESTS} requests and a window above 0 s, "
                f"not {self.requests} in {self.seconds} s"
            )
        if not 0 < self.polls <= self.submissions <= 1:
            raise ValueError("HttpBudget.polls and submissions must be above 0 and at most 1, and polls <= submissions")

    def share(self, lane: Lane) -> float:
        """Requests that may be in the window before a lane must wait."""
        shares = (1.0, self.submissions, self.polls)
        # At least one for every lane: a window of 20 would leave polls too little to ever end a wait.
        return max(1.0, self.requests * shares[lane])


class SlidingWindow:
    """Counts the requests sent, and says how long the next one must wait; never sleeps.

    Args:
        budget: What is allowed.
    """

    def __init__(self, budget: HttpBudget) -> None:
        self._part = budget.seconds / PARTS
        self._kept = budget.seconds + self._part
        self._burst = BURST * budget.seconds
        self._parts: deque[list[int]] = deque()
        self._used = 0
        self._credited = float("-inf")
        self._recovered = float("-inf")
        self.resize(budget)
        self._credit = [self._rate(lane) * self._burst for lane in LANES]

    def used(self, now: float) -> int:
        """Requests that count now.

        Args:
            now: Seconds on any monotonic clock, the same in all calls.
        """
        gone = int((now - self._kept) // self._part)
        while self._parts and self._parts[0][0] < gone:
            self._used -= self._parts.popleft()[1]
        return self._used

    def delay(self, now: float, lane: Lane) -> float:
        """Seconds until a request of this lane may be sent; 0 if it may now."""
        used = self.used(now)
        if used < self._free:
            return 0.0
        self._recover(now)
        left = self._shares[lane] - used
        if left < 1:
            return self._until(now, 1 - left)
        self._earn(now)
        missing = 1 - self._credit[lane]
        return missing / self._rate(lane) if missing > ROUNDING else 0.0

    def record(self, now: float, lane: Lane) -> None:
        """A request is sent."""
        part = int(now // self._part)
        if self._parts and self._parts[-1][0] >= part:
            self._parts[-1][1] += 1
        else:
            self._parts.append([part, 1])
        self._used += 1
        if self._used > self._free:
            self._earn(now)
            for other in LANES[lane:]:
                self._credit[other] = max(0.0, self._credit[other] - 1)

    def resize(self, budget: HttpBudget) -> None:
        """Allow more or less from now on, in a window of the same length."""
        self.budget = budget
        self._scale = 1.0
        self._allow()

    def refused(self, now: float) -> None:
        """The service refused a request for its rate, although it fitted: others use the same allowance.

        The number of requests sent in the window is about this client's share. From then on it stays a little below
        that, and grows back, so that after two windows it tries the whole allowance again.
        """
        self._recover(now)
        self._scale = max(LEAST, min(self._scale, KEPT * self.used(now) / self.budget.requests))
        self._allow()

    def _recover(self, now: float) -> None:
        passed, self._recovered = max(0.0, now - self._recovered), max(now, self._recovered)
        if self._scale < 1.0:
            self._scale = min(1.0, self._scale + passed / (RECOVERY * self.budget.seconds))
            self._allow()

    def _allow(self) -> None:
        self._shares = [max(1.0, self._scale * self.budget.share(lane)) for lane in LANES]
        self._free = FREE * self._scale * self.budget.requests

    def _rate(self, lane: Lane) -> float:
        """Requests per second that the lane may send in the long run, above 0."""
        return max(1.0, self._shares[lane] - self._used) / (SPREAD * self.budget.seconds)

    def _earn(self, now: float) -> None:
        passed = now - self._credited
        if passed <= 0:
            return
        self._credited = now
        self.used(now)
        for lane in LANES:
            rate = self._rate(lane)
            self._credit[lane] = min(max(1.0, rate * self._burst), self._credit[lane] + rate * min(passed, self._burst))

    def _until(self, now: float, wanted: float) -> float:
        """Seconds until `wanted` requests have left the window."""
        for part, count in self._parts:
            wanted -= count
            if wanted <= 0:
                return max(0.0, (part + 1) * self._part + self._kept - now)
        return self._part

"""Which requests check the jobs in flight, and when they are sent. Pure: values in, values out.

Only a GET of the job itself ends a wait; each job has a backing-off schedule of them. Pages of the list, which show
200 jobs for the price of one request, are hints. A page that shows a job running puts its GET off for a while, one
that shows it ended brings its GET forward. Both are bounded: a GET is put off for about as long again as jobs usually
take, and vain hints are followed less and less often. So a list that fails, hangs, lags, is cut or lies makes things
slower, never wrong.

Two kinds of page are useful:

- The **newest** transcripts of the project, in one request: enough while few jobs are in flight.
- A **census**: all that are `queued`, then all that are `processing`. However long ago a job was submitted and
  however many others have ended since, a job in flight is on one of these pages. It costs a request per 200 jobs in
  flight and one for the queue, and shows all running jobs of the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from asyncscribe.policies.backoff import Backoff, Random

#: Items on a list page at most; the API's limit.
PAGE = 200
#: Up to this many jobs in flight in the project, the newest page is read. Half a page, because the other half is left
#: for jobs that ended meanwhile.
FEW = PAGE // 2
#: Pages that a census reads beyond those that the own jobs would fill; the rest is left to GETs, because a crowd of
#: other people's jobs must not cost more than it saves.
CROWD_PAGES = 2
#: The longest time between two pages, as a share of what a job takes. On average an end is noticed half of that late,
#: and at the end of a batch, when few jobs are left, the whole batch waits for it.
LATE = 0.025
#: Pages that may be read per job that ends, and pages per second that are cheap whatever they show. Both are far below
#: the jobs' own use of the allowance.
PAGES_PER_END = 0.2
CHEAP_RATE = 6.0
#: The shortest time between two pages, as a share of the first delay of the jobs' schedule.
SHORTEST = 0.2
#: The latest first GET, in units of the jobs' mean duration, or of the schedule's longest delay if that is longer. At
#: three times the mean, one job of a hundred is still running (lognormal durations, sigma 0.5); with less, more of the
#: first jobs are polled, while the mean is that of the shortest ones.
FIRST_WAIT = 3.0
#: After each failed page the gap doubles, up to this many seconds.
LONGEST_GAP = 30.0
#: Seconds until a list that was refused is requested again.
REFUSED_GAP = 300.0


class Strategy(Enum):
    """How the list is read."""

    NONE = auto()
    """Not at all: a GET says as much."""
    NEWEST = auto()
    """One page of the newest jobs."""
    CENSUS = auto()
    """All pages of queued and of processing jobs."""


def choose_requests(watched: int, others: int, *, wanted: bool) -> Strategy:
    """The cheapest way to check the watched jobs and other clients' jobs.

    Args:
        watched: Own jobs in flight.
        others: Other jobs of the project in flight, as last seen.
        wanted: Whether somebody waits for a slot. Then even a client with a single job must see the others, because
            its limit depends on them.
    """
    if watched == 0 or (watched == 1 and not wanted):
        return Strategy.NONE
    return Strategy.NEWEST if watched + others <= FEW else Strategy.CENSUS


def most_pages(watched: int) -> int:
    """Pages of one status that a census reads at most."""
    return -(-watched // PAGE) + CROWD_PAGES


@dataclass(frozen=True, slots=True)
class Pace:
    """When pages are read.

    With many jobs in flight a page is worth its request once a job is expected to have ended since the last one, which
    happens every `duration / watched` seconds; with few it comes after a fortieth of the time they take (`LATE`), as it
    is one request for all of them.

    Attributes:
        polling: The schedule of each job, seconds.
    """

    polling: Backoff

    def gap(self, watched: int, pages: int, duration: float, age: float) -> float:
        """Seconds from one reading of the list to the next.

        Args:
            watched: Jobs in flight, at least 1.
            pages: Requests per reading.
            duration: Mean time of a job, seconds; while unknown, the age of the oldest, which it is likely to exceed.
            age: Seconds since the oldest was submitted; a job that takes longer than usual is checked less often.
        """
        useful = min(duration / watched, LATE * max(duration, age))
        affordable = min(pages * duration / (PAGES_PER_END * watched), pages / CHEAP_RATE)
        return max(SHORTEST * self.polling.initial, useful, affordable)

    @staticmethod
    def after_failure(gap: float, failures: int, *, refused: bool) -> float:
        """Seconds until the list is read again.

        Args:
            gap: The usual gap.
            failures: Failures in a row, at least 1.
            refused: Whether the service refuses it.
        """
        return REFUSED_GAP if refused else min(LONGEST_GAP, max(gap, 0.5) * 2.0 ** min(failures, 10))


@dataclass(slots=True)
class PollPlan:
    """When one job is polled by its GET. Times in seconds on any one monotonic clock.

    Attributes:
        polling: The schedule.
        since: When the job was submitted, or taken over.
        due: When the next GET is to be sent.
        checked: When the last GET was answered; `since` before the first.
        vain: GETs in a row that followed a hint and found the job running.
    """

    polling: Backoff
    since: float
    due: float
    checked: float
    vain: int = 0

    @classmethod
    def begin(cls, polling: Backoff, now: float, random: Random, *, new: bool) -> PollPlan:
        """The plan of a job that was just submitted (`new`), or may have ended long ago."""
        return cls(polling, now, now + (polling.delay_at(0, random) if new else 0.0), now)

    def answered(self, now: float, random: Random, *, hinted: bool) -> None:
        """A GET found the job running.

        Args:
            now: When it was answered.
            random: Gives numbers in [0, 1).
            hinted: Whether it was sent because of a hint.
        """
        self.vain = self.vain + 1 if hinted else 0
        self.checked = now
        self.due = now + self.polling.delay_at(now - self.since, random)

    def failed(self, now: float, random: Random) -> None:
        """A GET failed."""
        self.due = now + self.polling.delay_at(now - self.since, random)

    def sighted(self, duration: float | None) -> None:
        """A page shows the job running: its GET can wait, for a bounded time.

        Args:
            duration: Mean time of a job, seconds; None while unknown.
        """
        self.due = max(self.due, self.latest(duration))

    def unlisted(self, now: float, random: Random) -> None:
        """Pages no longer show the job: its GET follows the schedule again."""
        self.due = min(self.due, now + self.polling.delay_at(now - self.since, random))

    def latest(self, duration: float | None) -> float:
        """When the GET is sent, whatever pages say.

        Args:
            duration: Mean time of a job, seconds; None while unknown.
        """
        usual = duration or 0.0
        if self.checked == self.since:
            return self.since + FIRST_WAIT * max(usual, self.polling.maximum)
        return self.checked + max(usual, self.polling.maximum, (self.checked - self.since) / 2)

    def hurried(self, gap: float) -> None:
        """Send its GET at most this many seconds after the last one, though not sooner than pages would come."""
        self.due = min(self.due, self.checked + max(gap, SHORTEST * self.polling.initial))

    def hinted(self, now: float) -> None:
        """Send its GET now, or soon if such hints were vain before: an outside signal says that the job has ended."""
        at = now if not self.vain else self.checked + self.polling.delay(self.vain - 1, _half)
        self.due = min(self.due, max(now, at))


def _half() -> float:
    return 0.5

"""Which requests tell how the jobs in flight are, and when they are sent. Pure: values in, values out.

Only a GET of the job itself ends a wait; each job has a backing-off schedule of them. Pages of the list, which show
200 jobs for the price of one request, are hints. A page that shows a job running lets its GET wait for a while, one
that shows it ended brings its GET forward. Both are bounded: a GET waits for about as long again as jobs usually take,
and hints that turn out vain are followed less and less often. So a list that fails, hangs, lags, is cut or lies makes
things slower, and never wrong.

Two kinds of page are of use:

- The **newest** transcripts of the project, in one request: enough while few jobs are in flight.
- A **census**: all that are `queued`, then all that are `processing`. However long ago a job was submitted and
  however many others have ended since, a job in flight is on one of these pages. It costs a request per 200 jobs in
  flight and one for the queue, and shows what the whole project runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from asyncscribe.policies.backoff import Backoff, Random

#: Items on a list page at most; the API's limit.
PAGE = 200
#: Up to this many jobs in flight in the project the newest page is asked for. Half a page: the other half is left to
#: jobs that ended meanwhile.
FEW = PAGE // 2
#: Pages beyond those that the own jobs would fill which a census reads before it leaves the rest to GETs: a crowd of
#: other people's jobs must not cost more than it saves.
CROWD_PAGES = 2
#: The longest time between two pages, as a share of what a job takes. An end is noticed half of it late on the mean,
#: which at the end of a batch, when few jobs are left, is what the whole batch waits for.
LATE = 0.025
#: Pages that may be asked for per job that ends, and pages a second that are cheap whatever they bring. Both are far
#: below what the jobs themselves take of the allowance.
PAGES_PER_END = 0.2
CHEAP_RATE = 6.0
#: The shortest time between two pages, as a share of the first delay of the jobs' schedule.
SHORTEST = 0.2
#: How much longer the first GET may wait than jobs take on the mean, or than the schedule's longest delay if that is
#: longer. At three times the mean, one job of a hundred is still running (lognormal durations, sigma 0.5); less has
#: more of the first jobs asked for, when the mean is that of the shortest ones.
FIRST_WAIT = 3.0
#: After a failed page the next one comes twice as late each time, up to this many seconds.
LONGEST_GAP = 30.0
#: Seconds until a list that was refused is asked for again.
REFUSED_GAP = 300.0


class Strategy(Enum):
    """How the list is asked for."""

    NONE = auto()
    """Not at all: a GET says as much."""
    NEWEST = auto()
    """One page of the newest."""
    CENSUS = auto()
    """All pages of what is queued and what is processing."""


def choose_requests(watched: int, others: int, *, wanted: bool) -> Strategy:
    """The cheapest way to learn how the watched jobs are, and what others do.

    Args:
        watched: Own jobs in flight.
        others: Other jobs of the project in flight, as last seen.
        wanted: Whether somebody waits for a slot. Then even a client with a single job has to see the others: whether
            it may have more depends on them.
    """
    if watched == 0 or (watched == 1 and not wanted):
        return Strategy.NONE
    return Strategy.NEWEST if watched + others <= FEW else Strategy.CENSUS


def most_pages(watched: int) -> int:
    """Pages of one status that a census reads at most."""
    return -(-watched // PAGE) + CROWD_PAGES


@dataclass(frozen=True, slots=True)
class Pace:
    """When pages are asked for.

    With many jobs in flight a page is worth its request once a job can be expected to have ended since the last one,
    which happens every `duration / watched` seconds; with few it comes after a twentieth of the time they take, as it
    is one request for all of them.

    Attributes:
        polling: The schedule of each job, seconds.
    """

    polling: Backoff

    def gap(self, watched: int, pages: int, duration: float, age: float) -> float:
        """Seconds from one look at the list to the next.

        Args:
            watched: Jobs in flight, at least 1.
            pages: Requests that a look takes.
            duration: Mean time of a job, seconds; while unknown, the age of the oldest, which it is likely to exceed.
            age: Seconds since the oldest was submitted; one that takes longer than usual is looked at less often.
        """
        useful = min(duration / watched, LATE * max(duration, age))
        affordable = min(pages * duration / (PAGES_PER_END * watched), pages / CHEAP_RATE)
        return max(SHORTEST * self.polling.initial, useful, affordable)

    @staticmethod
    def after_failure(gap: float, failures: int, *, refused: bool) -> float:
        """Seconds until the list is asked for again.

        Args:
            gap: The usual gap.
            failures: Failures in a row, at least 1.
            refused: Whether the service refuses it.
        """
        return REFUSED_GAP if refused else min(LONGEST_GAP, max(gap, 0.5) * 2.0 ** min(failures, 10))


@dataclass(slots=True)
class PollPlan:
    """When one job is asked for by its GET. Times in seconds on any one monotonic clock.

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
        """The plan of a job that was submitted just now (`new`), or may have ended long ago."""
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
        """A page shows the job running: its GET can wait, for a bounded while.

        Args:
            duration: Mean time of a job, seconds; None while unknown.
        """
        self.due = max(self.due, self.latest(duration))

    def unlisted(self, now: float, random: Random) -> None:
        """Pages are not to be had any more: its GET follows the schedule again."""
        self.due = min(self.due, now + self.polling.delay_at(now - self.since, random))

    def latest(self, duration: float | None) -> float:
        """When the GET is sent whatever pages say.

        Args:
            duration: Mean time of a job, seconds; None while unknown.
        """
        usual = duration or 0.0
        if self.checked == self.since:
            return self.since + FIRST_WAIT * max(usual, self.polling.maximum)
        return self.checked + max(usual, self.polling.maximum, (self.checked - self.since) / 2)

    def hurried(self, gap: float) -> None:
        """Its GET comes at most this many seconds after the last one, though not sooner than pages would."""
        self.due = min(self.due, self.checked + max(gap, SHORTEST * self.polling.initial))

    def hinted(self, now: float) -> None:
        """Something outside says that the job has ended: its GET comes now, or soon if such hints were vain before."""
        at = now if not self.vain else self.checked + self.polling.delay(self.vain - 1, _half)
        self.due = min(self.due, max(now, at))


def _half() -> float:
    return 0.5

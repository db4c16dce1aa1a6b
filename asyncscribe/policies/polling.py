"""Which requests answer how the jobs in flight are, and when they are sent. Pure: values in, values out.

A look at one job is a GET; a page of the list answers 200. Two kinds of page are of use:

- The **newest** transcripts of the project, in one request: enough while few jobs are in flight.
- A **census**: all that are `queued`, then all that are `processing`. However long ago a job was submitted and
  however many others have ended since, a job in flight is on one of these pages, and a job on neither has ended. It
  costs a request per 200 jobs in flight and one for the queue, and shows what the whole project runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from asyncscribe.policies.backoff import Backoff

#: Items on a list page at most; the API's limit.
PAGE = 200
#: Up to this many jobs in flight in the project the newest page is asked for. Half a page: the other half is left to
#: jobs that ended meanwhile.
FEW = PAGE // 2
#: Pages beyond those that the own jobs would fill which a census reads before it leaves the rest to GETs: a crowd of
#: other people's jobs must not cost more than it saves.
CROWD_PAGES = 2
#: The longest time between two looks at all jobs, as a share of what a job takes. An end is noticed half of it late on
#: the mean, which at the end of a batch, when few jobs are left, is what the whole batch waits for.
LATE = 0.05


class Ask(Enum):
    """How jobs are asked for."""

    EACH = auto()
    """By a GET each."""
    NEWEST = auto()
    """By one page of the newest."""
    CENSUS = auto()
    """By all pages of what is queued and what is processing."""


def ask(watched: int, others: int, *, listed: bool) -> Ask:
    """The cheapest way to learn how the watched jobs are.

    Args:
        watched: Own jobs in flight.
        others: Other jobs of the project in flight, as last seen.
        listed: Whether list pages can be had.
    """
    if watched <= 1 or not listed:
        return Ask.EACH
    return Ask.NEWEST if watched + others <= FEW else Ask.CENSUS


def most_pages(watched: int) -> int:
    """Pages of one status that a census reads at most."""
    return -(-watched // PAGE) + CROWD_PAGES


@dataclass(frozen=True, slots=True)
class Pace:
    """When to look at all jobs together.

    Each job is due by its own backing-off schedule. With many jobs in flight some are due all the time; then a look
    is worth its request once a job can be expected to have ended since the last one, which happens every
    `duration / watched` seconds. With few in flight
    it comes after a twentieth of the time they take, as it is one request for all of them.

    Attributes:
        polling: The schedule of each job, seconds.
    """

    polling: Backoff

    def gap(self, watched: int, duration: float, age: float, stretch: float) -> tuple[float, float]:
        """The shortest and the longest time between two looks, seconds.

        Args:
            watched: Jobs in flight.
            duration: Mean time of a job, seconds; while unknown, the age of the oldest, which it is likely to exceed.
            age: Seconds since the oldest was submitted; one that takes longer than usual is looked at less often.
            stretch: How much slower the request budget asks for; see `budget.stretch`.
        """
        shortest = 0.6 * self.polling.initial
        longest = max(shortest, min(duration / max(1, watched), LATE * max(duration, age)))
        return shortest * stretch, longest * stretch

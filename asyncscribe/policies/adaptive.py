"""A limit that finds the account's own limit from the jobs that the service queues.

**The signal.** The service accepts any number of jobs, runs as many as the account may run, and keeps the rest in one
queue, first come, first served. No answer says how many may run, and the number differs per account and changes. So a
queued job is read as TCP reads a lost packet: somebody sends more than fits. A job counts if it is seen queued although
it was submitted before the previous check, because the answer to a submission says `queued` on an idle account too.
Unlike a lost packet, a queued job is not lost work, so the limit errs high, by one job or one percent.

**Two views.** With the list pages, a client sees the jobs of all clients. While any job is queued every slot is taken,
so the number of running jobs is exactly the account's limit E. If nobody else has jobs there, the client is alone and
stays at E + max(1, 1%). If others have some, the total excess is known: `running + queued - E`. A list shows only one
project of an account, so it is a hint: E is only used as the size of a step, or as where growth starts from. Without
the list, a client knows only its own jobs. Because the queue is in order, every client has the same share of its jobs
in it, and the running jobs are again those that fit, but E itself stays unknown.

**Cuts.** The classic cut takes a fixed tenth at a sign of congestion, and must then ignore further signs of the same
excess. Here the excess is known, so a check with a queue sets the limit to the client's share of what fits: own jobs
times `running / (running + queued)`, and a little less. As that depends on the jobs in flight and not on the limit,
repeating it changes nothing: no timer is needed, and after a fall from 200 to 40 slots the limit follows the running
jobs down as they end. In every cut each client gives in proportion to what it has.

**Ends noticed late.** A client's jobs in flight include some that have ended unnoticed or are not accepted yet. When
the first sign of a queue comes after growth, all slots are taken and the limit equals the jobs in flight, so those that
are neither running nor queued nor fresh are of that kind. Alone, the client stays that much higher, or slots idle.

**Growth.** After the last sign of a queue, with t the time during which jobs waited for a slot here, the limit grows by

    dL/dt = E (a + 3 g t^2 / T^3),   the integral of which is   L = W + E (a t + g (t / T)^3):

the cubic of RFC 9438, without its concave part, as a cut ends at the plateau already. Slow first, so that the queue
stays empty most of the time; then ever faster, so that a limit raised fivefold is found in two mean durations. This is
also how the estimate fades: nothing holds the limit at E when E is not seen again. Growth in units of E, not of the
client's own limit, gives equal amounts to unequal clients, while cuts take in proportion, so shares converge (Chiu and
Jain, 1989). The linear part `a` serves only that purpose, shrinks with the share f that the client already has, as
(1 - f)^4, and is 0 alone. Without the list, the unit is the geometric mean of the own limit and the slots of a paid
account: less than proportional, which is enough to converge, and small on small accounts.

Known free slots are a separate case: while nothing is queued and all clients together run less than nine tenths of E,
the client takes what is missing to that, as fast as a raise allows. So it recovers in a few seconds when a neighbour
has left; if E is wrong by then, the next check cuts.

Growth requires that somebody waited for a slot since the last check. That the number in flight equals the limit is no
substitute: at ten ends a second a check never finds all slots taken, and growth starves.

**Neighbours that never adapt.** A script that keeps 600 jobs in flight makes every adapting client give way until it
has a slot or two. When the others' queue is longer than E for a while, the limit doesn't fall below 0.3 E: one such
client keeps 16 of 200 slots beside that script, four keep 51. Nine adapting clients on that floor would make such a
queue themselves, so the floor lapses from time to time, and with it the queue, if it was theirs.

**Validity of the figures.** The constants come from `benchmarks/simulator/`: checks as often as the watcher makes
them, lognormal jobs of 20 s. Times follow a power of the measured mean duration: how fast a queue drains depends on
it, how soon it is seen does not, and a mean that is wrong by a factor of four changes them by 2.3 at most.
"""

from __future__ import annotations

import math
from enum import StrEnum

from asyncscribe.policies.limits import FREE_ACCOUNT_LIMIT, Evidence, Others

#: Jobs in flight before any evidence: what every account in good standing runs. A smaller account queues four.
INITIAL = FREE_ACCOUNT_LIMIT

#: Factor by which a check raises the limit in slow start, once half of it was seen at the service. 200 slots are found
#: in nine checks, 4 s at the usual pace, with at most 150 jobs too many for a moment (2 finds them in six, with twice
#: as many). By checks and not by seconds, because nothing is known of the jobs' duration so early, and the caller
#: chooses how often to check.
SLOW_START = 1.6

#: Largest factor by which a check raises the limit later. Bounds the effect of late checks.
LARGEST_RAISE = 1.25

#: Smallest factor by which a check lowers the limit. Two checks a second follow any fall of the account's limit, as
#: jobs end more slowly than that, while a moment in which the service runs nothing costs a tenth.
LARGEST_CUT = 0.9

#: What is held above the account's limit when alone: a share of it, and at least one job. Ends are noticed half a gap
#: between checks late on average, which idles 1.25% of the slots; 1% more in flight leaves 0.5%, with a queue of half
#: a job.
SURPLUS = 0.01

#: What a cut among several clients leaves of the part that fits. In the simulator 4 clients keep 99.4% of the slots
#: busy with it; with 1, shares of 2 clients are less equal (Jain's index 0.97 instead of 0.98), with 0.98 more idle.
KEPT = 0.99

#: The same without the list. More is given up, because equal shares depend on it: 0.98 leaves Jain's index of 4 clients
#: at 0.976, this gives 0.989 and costs a client that is alone 0.8% of its slots.
KEPT_UNSEEN = 0.95

#: Linear growth, in account limits per second, of a client with a small share (`a` above). In the simulator 4 clients
#: on 200 slots have a mean queue of 4.1 jobs with 0.005 and of 4.9 with 0.01; less makes shares less equal.
LINEAR = 0.008

#: The power of (1 - share) in it. With 0 the queue of 4 clients is 6.8 jobs long, and shares are no more equal.
RESTRAINT = 4

#: Linear growth without the list, per second, in the unit used then. With 0.01 a client that is alone keeps 98.2% of
#: its slots busy, with this 98.7%; 0.02 makes the queue of 4 clients a job longer.
LINEAR_UNSEEN = 0.015

#: Slots of a paid account (https://www.assemblyai.com/docs, rate limits), the other half of the unit without the list.
PAID_ACCOUNT_LIMIT = 200

#: Cubic growth, in account limits: what is added when t = T (`g` above). RFC 9438 has 0.4 packets at t = 1 s, whatever
#: the size of the network. In the simulator 0.03 finds a raised limit late, 0.1 makes the queue a tenth longer.
CUBIC = 0.05

#: T as a share of the pace. 0.4 makes the queue a quarter longer, 0.8 finds a raised limit later.
CUBIC_SCALE = 0.6

#: Seconds: the mean duration for which the constants were found; assumed until one is measured.
USUAL_DURATION = 20.0

#: The power of the mean duration, in units of the usual one, that times follow if it is shorter, and if it is longer.
#: In the simulator a limit that rises from 20 to 100 slots is found in 4 s when jobs take 1 s; with 1/3 in 7 to 9 s,
#: with 1 in 2 s and a queue that is twice as long. For jobs of a minute, 1/2 finds it in 80 s and 1/3 in 56 s.
SHORTER = 0.6
LONGER = 1 / 3

#: Seconds. Measured means are clamped to this range: from about a check's gap to a day.
DURATIONS = (0.5, 86_400.0)

#: The part of the account's limit that is kept beside a neighbour that doesn't adapt. In the simulator it keeps 7.6 of
#: 100 slots beside 300 jobs, lapses included; 0.25 keeps 6.5.
FLOOR = 0.3

#: The part of the account's limit below which free slots are taken without waiting for growth. In the simulator 90 of
#: 100 slots are in use 4 s after a neighbour's last job of 2 s started, and 9 s without it.
ROOM = 0.9

#: Paces after which the floor is dropped for two. In the simulator, 12 and 16 clients that a neighbour had driven to
#: the floor return to a queue of 14 and 18 jobs, and the lapses cost one client 1 slot of 17 beside the neighbour.
FLOOR_LASTS = 10.0

#: Jobs submitted since the last check, in turnovers per check: they are in flight, but can't count as queued yet. 1 is
#: the mean; with 1.5 chance is seldom mistaken for jobs that ended unnoticed.
FRESH_TURNOVERS = 1.5

#: Jobs added to that for small accounts.
FRESH_SPARE = 2.0

#: What is left of the estimate of unnoticed ends at each further check with a queue, in case it caused that queue.
UNNOTICED_FADES = 0.9

#: Largest share of the running jobs by which unnoticed ends raise the limit: an end noticed 5 s late when jobs take 20.
LARGEST_UNNOTICED = 0.25

#: Above what any contract allows; keeps a client that never sees a queue from counting towards infinity.
LARGEST = 100_000


class Basis(StrEnum):
    """How the present limit was found."""

    SLOW_START = "slow start"
    GROWING = "growing"
    CUT = "cut"
    ALONE = "alone at the account's limit"
    FLOOR = "floor"


class AdaptiveLimit:
    """Finds the account's limit, follows it, and shares it with other clients. Needs no settings; see the module.

    Pure: the same evidence gives the same limits. One object serves one client.
    """

    def __init__(self) -> None:
        self._limit = float(INITIAL)
        self._basis = Basis.SLOW_START
        self._account = 1.0
        self._now: float | None = None
        #: Seconds of wanted growth since a queue was last seen.
        self._quiet = 0.0
        #: Seconds since the others' queue became longer than the account's limit.
        self._flooded = 0.0
        #: Jobs that ended unnoticed or have not arrived yet, as a share of those that run.
        self._unnoticed = 0.0
        #: By how much the last check with growth raised the limit.
        self._raised = 0.0

    def __repr__(self) -> str:
        return f"<AdaptiveLimit {int(self._limit)}, {self._basis}>"

    @property
    def initial(self) -> int:
        """The limit before any evidence."""
        return INITIAL

    @property
    def basis(self) -> Basis:
        """How the present limit was found."""
        return self._basis

    def update(self, evidence: Evidence) -> int:
        """The limit from now on, at least 1; never higher than before when `evidence.wanted` is 0."""
        pace = _pace(evidence.duration)
        elapsed = self._elapsed(evidence.now, pace)
        self._estimate(evidence)
        floor = self._floor(evidence.others, elapsed, pace)
        if evidence.queued:
            self._learn_unnoticed(evidence, elapsed)
            self._give_way(evidence, floor)
        elif evidence.wanted:
            self._grow(evidence, elapsed, pace)
        if self._limit < floor and evidence.wanted:
            self._raise_to(floor)
            self._basis = Basis.FLOOR
        return int(self._limit)

    def _elapsed(self, now: float, pace: float) -> float:
        """Seconds since the previous check, at most the pace: longer gaps say no more."""
        before = now if self._now is None else self._now
        self._now = max(before, now)
        return min(max(0.0, now - before), pace)

    def _estimate(self, evidence: Evidence) -> None:
        running, queued = _seen(evidence)
        known = 1.0 if queued else self._account
        self._account = max(known, running)

    def _floor(self, others: Others | None, elapsed: float, pace: float) -> float:
        if others is None or others.queued <= self._account:
            self._flooded = 0.0
            return 1.0
        self._flooded += elapsed
        if self._flooded > (FLOOR_LASTS + 1) * pace:
            self._flooded = 0.0
        kept = pace < self._flooded <= FLOOR_LASTS * pace
        return max(1.0, FLOOR * self._account) if kept else 1.0

    def _learn_unnoticed(self, evidence: Evidence, elapsed: float) -> None:
        if not self._quiet:
            # Only at the first sign does the limit equal the jobs in flight: later it is lower.
            self._unnoticed *= UNNOTICED_FADES
            return
        turnover = evidence.processing * elapsed / _within(evidence.duration or USUAL_DURATION)
        fresh = self._raised + FRESH_TURNOVERS * turnover + FRESH_SPARE
        hidden = self._limit - evidence.processing - evidence.queued - fresh
        self._unnoticed = min(max(0.0, hidden / max(1, evidence.processing)), LARGEST_UNNOTICED)

    def _give_way(self, evidence: Evidence, floor: float) -> None:
        self._quiet = 0.0
        alone = _alone(evidence)
        fits = _fitting(evidence) + (self._unnoticed * evidence.processing if alone else 0.0)
        fits = max(fits, floor, LARGEST_CUT * self._limit)
        if fits <= self._limit:
            self._limit = fits
        elif alone and evidence.wanted:
            self._raise_to(fits)
        if alone:
            self._basis = Basis.ALONE
        else:
            self._basis = Basis.CUT if self._limit > floor or floor == 1 else Basis.FLOOR

    def _grow(self, evidence: Evidence, elapsed: float, pace: float) -> None:
        if self._basis is Basis.SLOW_START and not (evidence.others and evidence.others.queued):
            if 2 * (evidence.processing + evidence.queued) >= int(self._limit):
                self._limit = min(SLOW_START * self._limit, float(LARGEST))
            return
        self._quiet += elapsed
        scale = CUBIC_SCALE * pace
        cubic = 3 * CUBIC * self._quiet**2 / scale**3
        unit = self._unit(evidence.others)
        self._raise_to(max(self._limit + unit * (_linear(evidence) + cubic) * elapsed, self._room(evidence.others)))
        # An account's limit seen less than T ago still describes where the client stays.
        if self._basis is not Basis.ALONE or self._quiet > scale or not _alone(evidence):
            self._basis = Basis.GROWING

    def _room(self, others: Others | None) -> float:
        """What the client may have of the account's limit while nothing is queued."""
        if others is None or others.queued:
            return 0.0
        return ROOM * self._account - others.processing

    def _unit(self, others: Others | None) -> float:
        if others is None:
            return math.sqrt(self._limit * PAID_ACCOUNT_LIMIT)
        return max(self._account, self._limit)

    def _raise_to(self, goal: float) -> None:
        before = self._limit
        self._limit = min(goal, LARGEST_RAISE * before, float(LARGEST))
        self._raised = self._limit - before


def _within(duration: float) -> float:
    shortest, longest = DURATIONS
    return min(max(duration, shortest), longest)


def _pace(duration: float | None) -> float:
    """The time scale of the policy, seconds: the mean duration, pulled towards the usual one."""
    if duration is None:
        return USUAL_DURATION
    relative = _within(duration) / USUAL_DURATION
    return float(USUAL_DURATION * relative ** (SHORTER if relative < 1 else LONGER))


def _alone(evidence: Evidence) -> bool:
    return evidence.others is not None and evidence.others.processing + evidence.others.queued == 0


def _seen(evidence: Evidence) -> tuple[int, int]:
    """The jobs of all clients that are seen: running, queued."""
    others = evidence.others or Others()
    return evidence.processing + others.processing, evidence.queued + others.queued


def _fitting(evidence: Evidence) -> float:
    """How many jobs of this client fit, given that some are queued."""
    if evidence.others is None:
        return KEPT_UNSEEN * evidence.processing
    running, queued = _seen(evidence)
    if _alone(evidence):
        return running + max(1.0, SURPLUS * running)
    return KEPT * (evidence.processing + evidence.queued) * running / (running + queued)


def _linear(evidence: Evidence) -> float:
    """Linear growth per second, in the unit of the view."""
    if evidence.others is None:
        return LINEAR_UNSEEN
    if _alone(evidence):
        return 0.0
    running, queued = _seen(evidence)
    share = (evidence.processing + evidence.queued) / max(1, running + queued)
    return LINEAR * (1 - share) ** RESTRAINT

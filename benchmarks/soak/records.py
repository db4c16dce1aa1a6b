"""What is done for how long, and what the two processes tell of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from asyncscribe.server import FaultPlan, FaultRule
from asyncscribe.server.faults import Answer, CutBody, Drop, Fault, Late, When
from benchmarks.world import CREATE

#: Seconds until a late submission acts.
LATE = 1.2


@dataclass(frozen=True, slots=True)
class Soak:
    """What is done for how long.

    Attributes:
        seconds: Length of the load, without the quiet times between its rounds.
        faults: Share of requests that meet each fault, and of jobs that the service fails.
        rate: Jobs a second.
        rounds: Parts of the time, with a quiet time after each.
        every: Seconds from one sample to the next.
        seed: Start of all random numbers.
    """

    seconds: float
    faults: float = 0.01
    rate: float = 50.0
    rounds: int = 6
    every: float = 10.0
    seed: int = 0

    def plan(self, seed: int, listed: Fault | None) -> FaultPlan:
        """The faults of requests, and that of every look at the list."""
        rules = [] if listed is None else [FaultRule("GET", "/v2/transcript", 1.0, listed, exact=True)]
        rules += [
            FaultRule(*kind, self.faults, fault)
            for kind in (("GET", "/v2/"), ("POST", "/v2/upload"), CREATE)
            for fault in (Answer(500), Drop(), CutBody())
        ]
        rules += [FaultRule(*CREATE, self.faults, fault) for fault in (Drop(When.AFTER), Late(LATE))]
        return FaultPlan(seed, rules)


@dataclass(frozen=True, slots=True)
class Kept:
    """A job as the server has it."""

    id: str
    prompt: str
    status: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of the process of the clients."""

    seconds: float
    memory_mib: float
    sockets: int
    descriptors: int
    tasks: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """A moment when nothing is asked for: what is still held, and the sizes of both clients' books."""

    seconds: float
    sockets: int
    descriptors: int
    tasks: int
    objects: int
    books: dict[str, int]


@dataclass(slots=True)
class Report:
    """What the clients did.

    Attributes:
        samples: Taken all the time.
        quiet: Taken before the first round and after each.
        ends: How jobs ended, for those who asked.
        wrong: Transcripts that were another job's.
        stuck: Callers that never got an answer.
        ids: Ids that somebody was told.
        in_doubt: Jobs of which somebody was told that they may exist.
    """

    samples: list[Sample] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    stuck: int = 0
    ids: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)

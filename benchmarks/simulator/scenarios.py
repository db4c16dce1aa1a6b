"""What is simulated: accounts, clients and jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A client that never adapts.

    Attributes:
        held: Jobs that it keeps in flight.
        start: When it comes, seconds.
        leave: When it submits its last job, seconds; the jobs in flight still run to their end.
    """

    held: int = 600
    start: float = 200.0
    leave: float = 800.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. All times in seconds of virtual time.

    Attributes:
        name: For the table.
        slots: The account's limit as steps `(from when, slots)`, the first at 0.
        clients: How many adapt.
        spacing: Time from one client's start to the next one's.
        account_view: Whether the clients see one another's jobs; else `Evidence.others` is None.
        mean: Mean duration of a job.
        sigma: Of the lognormal durations; 0.5 is a usual mix of audio lengths, 1 and more have heavy tails.
        lag: How much later than at the next look an end is noticed.
        shown_queued: How long a job that runs is still shown as `queued`.
        guess: The clients believe in `guess * mean` as the mean duration instead of measuring it; None measures.
        neighbour: A client that never adapts.
        warmup: From when on the steady state is measured.
        length: When the simulation ends.
    """

    name: str
    slots: tuple[tuple[float, int], ...] = ((0.0, 200),)
    clients: int = 1
    spacing: float = 0.0
    account_view: bool = True
    mean: float = 20.0
    sigma: float = 0.5
    lag: float = 0.0
    shown_queued: float = 0.0
    guess: float | None = None
    neighbour: Neighbour | None = None
    warmup: float = 300.0
    length: float = 1_500.0


FREE = ((0.0, 5),)
#: A step down and one up again, with time to settle before each.
STEPS = ((0.0, 200), (400.0, 40), (800.0, 200))

#: Durations of 20 s, a look each half second; the tests hold `AdaptiveLimit` to what is promised for these.
STEADY = (
    Scenario("1 client, limit 200"),
    Scenario("1 client, limit 5", slots=FREE),
    Scenario("4 clients, limit 200, 30 s apart", clients=4, spacing=30.0),
    Scenario("8 clients, limit 40", clients=8, slots=((0.0, 40),)),
    Scenario("1 client, own jobs only, limit 200", account_view=False),
    Scenario("4 clients, own jobs only, limit 200", clients=4, account_view=False),
)

#: Neither promised nor tuned for: how the policy bears what the model leaves out.
FURTHER = (
    Scenario("1 client, limit 1", slots=((0.0, 1),)),
    Scenario("1 client, limit 2,000", slots=((0.0, 2_000),), length=900.0),
    Scenario("4 clients, limit 2,000", clients=4, slots=((0.0, 2_000),), length=900.0),
    Scenario("2 clients, limit 200", clients=2),
    Scenario("16 clients, limit 200", clients=16),
    Scenario("1 client, own jobs only, limit 5", slots=FREE, account_view=False),
    Scenario("1 client, heavy tails (sigma 1.2)", sigma=1.2),
    Scenario("4 clients, heavy tails (sigma 1.2)", clients=4, sigma=1.2),
    Scenario("4 clients, jobs of 5 s", clients=4, mean=5.0),
    Scenario("4 clients, jobs of 100 s", clients=4, mean=100.0, warmup=1_500.0, length=4_000.0),
    Scenario("1 client, ends noticed 1 s later", lag=1.0),
    Scenario("4 clients, ends noticed 1 s later", clients=4, lag=1.0),
    Scenario("1 client, `queued` shown for 0.4 s", shown_queued=0.4),
    Scenario("4 clients, `queued` shown for 0.4 s", clients=4, shown_queued=0.4),
)

#: The limit falls and rises again; beside each, the longest mean queue that counts as settled.
STEPPED = (
    (Scenario("200 -> 40 -> 200, 1 client", slots=STEPS, length=1_200.0), 3.0),
    (Scenario("200 -> 40 -> 200, 4 clients", slots=STEPS, clients=4, length=1_200.0), 5.0),
)

#: Somebody who doesn't adapt comes after 200 s and leaves after 800 s.
BESIDE = (
    Scenario("600 jobs of a neighbour, 1 client", neighbour=Neighbour(), length=1_200.0),
    Scenario("600 jobs of a neighbour, 4 clients", clients=4, neighbour=Neighbour(), length=1_200.0),
)


def wrongly_guessed() -> tuple[Scenario, ...]:
    """The steady scenarios with a mean duration that is believed to be a quarter and four times the true one."""
    return tuple(
        replace(scenario, name=f"{scenario.name}; duration guessed x{guess:g}", guess=guess)
        for guess in (0.25, 4.0)
        for scenario in STEADY
    )

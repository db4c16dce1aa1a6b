"""Exponential backoff with jitter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Gives numbers in [0, 1).
Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """A schedule of delays in seconds: `initial`, `initial * factor`, ... up to `maximum`, each shortened by chance.

    The n-th delay lies in `(d * (1 - jitter), d]` with `d = min(maximum, initial * factor**n)`. A jitter of 1 is the
    "full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, which spreads the
    repeats of many clients best; a small one keeps polling regular, yet out of step.

    Attributes:
        initial: First delay, seconds, more than 0.
        factor: Growth from delay to delay, at least 1.
        maximum: Longest delay, seconds, at least `initial`.
        jitter: The share of a delay that is left to chance, 0 to 1.

    Raises:
        ValueError: A value is out of its range.
    """

    initial: float = 1.0
    factor: float = 1.5
    maximum: float = 10.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.initial < float("inf"):
            raise ValueError(f"Backoff.initial must be a number of seconds above 0, not {self.initial}")
        if not 1 <= self.factor < float("inf"):
            raise ValueError(f"Backoff.factor must be at least 1, not {self.factor}")
        if not self.initial <= self.maximum < float("inf"):
            raise ValueError(f"Backoff.maximum must be at least Backoff.initial ({self.initial}), not {self.maximum}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"Backoff.jitter must be from 0 to 1, not {self.jitter}")

    def delays(self, random: Random) -> Iterator[float]:
        """The endless schedule, in seconds."""
        delay = self.initial
        while True:
            yield delay * (1 - self.jitter * random())
            delay = min(self.maximum, delay * self.factor)

    def delay(self, number: int, random: Random) -> float:
        """The delay before the `number`-th repeat, counted from 0, in seconds."""
        # Capped, so that the power can't overflow: 64 doublings exceed any sensible maximum.
        growth = self.factor ** min(number, 64)
        return min(self.maximum, self.initial * growth) * (1 - self.jitter * random())

    def delay_at(self, age: float, random: Random) -> float:
        """The next delay when the schedule has run for `age` seconds.

        The n-th delay of a geometric schedule begins after `(d_n - initial) / (factor - 1)` seconds, which is solved
        for `d_n`: so a schedule can be joined at any age, and early polls don't lengthen it.
        """
        return min(self.maximum, self.initial + (self.factor - 1) * max(0.0, age)) * (1 - self.jitter * random())

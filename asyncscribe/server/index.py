"""Which transcripts have a mark, such as a status, in order of creation. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator


class Index:
    """Positions by mark, so that a filtered list never scans what the filter leaves out."""

    def __init__(self) -> None:
        self._positions: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, mark: str, position: int) -> None:
        """Add a mark to a position."""
        insort(self._positions[mark], position)

    def remove(self, mark: str, position: int) -> None:
        """Remove a mark from a position that has it."""
        positions = self._positions[mark]
        del positions[bisect_left(positions, position)]

    def newest_first(self, mark: str, span: range) -> Iterator[int]:
        """The positions with a mark within a span, in descending order."""
        positions = self._positions[mark]
        first, end = bisect_left(positions, span.start), bisect_left(positions, span.stop)
        for place in range(end - 1, first - 1, -1):
            yield positions[place]

"""A long time of everything at once: what grows, what gets lost, and what is paid twice.

Two clients in one process work against the local server in another, at a steady rate: URLs, uploads, streams, handles,
loops of `transcribe_many` that are left, callers that are cancelled, jobs with a timeout. The network and the service
fail by chance, and the list is refused, lags, hangs and fails for a while again and again. One client stays open; the
other is closed with a drain under load, and opened again, twice in each round. At the end of a round nothing is asked
for until no connection is left: what tasks, sockets and books hold then must not be more than before the first round.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.soak.load import work
from benchmarks.soak.records import LATE, Kept, Report, Soak
from benchmarks.soak.service import serve
from benchmarks.soak.verdict import figures
from benchmarks.world import apart


def run(soak: Soak) -> dict[str, Any]:
    """Run it and return its figures; `problems` says what is not as it should be."""
    with apart(serve, soak) as server:
        with apart(work, soak, server.recv()) as clients:
            report: Report = clients.recv()
        # What was late may still come.
        time.sleep(2 * LATE)
        server.send("truth")
        kept: list[Kept] = server.recv()
    return figures(soak, report, kept)

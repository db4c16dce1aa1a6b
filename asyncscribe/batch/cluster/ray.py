"""The workers of a shared batch as tasks of a Ray cluster, which places and restarts them.

Each task runs one worker as a child process, with the command line that a person would type. All state is in the
journal, so any task may be lost or run twice.

The journal's address and the API key are in a small argument of the tasks, which Ray keeps in memory and never logs.
The variables of a `runtime_env` would be in `runtime_env_agent.log` on every node, and large objects may be spilled to
a disk.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from asyncscribe.batch.cluster.tether import GRACE

#: Exit codes of a worker that ended by itself: all done, some failed, wrong usage, an allowance used up.
ENDS = frozenset(range(4))
#: Seconds before a worker that died is started again, so that one that always dies keeps no node busy.
PAUSE = 2.0
#: Seconds in which a cluster must accept a connection.
KNOCK = 10.0
#: Characters that are kept of a worker's stderr: the end has the reason.
KEPT = 4000


@dataclass(frozen=True, slots=True)
class Order:
    """What every worker does.

    Attributes:
        arguments: Options of `asyncscribe batch run`, without sources and configuration.
        config: The configuration as JSON. It can hold a webhook's secret, so it is on no command line.
        environment: Variables of the worker, with the journal's address and the API key.
    """

    arguments: tuple[str, ...]
    config: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a worker ended.

    Attributes:
        code: Its exit code.
        host: Where it ran.
        said: The end of what it wrote to stderr.
    """

    code: int
    host: str
    said: str


class WorkerDied(Exception):
    """A worker was killed, or ended before its work was done. Ray starts it again."""


def work(order: Order, sources: Sequence[str], name: str) -> Ended:
    """A task: run a worker to its end.

    Args:
        order: What it does.
        sources: What is transcribed; paths are absolute.
        name: Its name in lists of workers.

    Raises:
        WorkerDied: It has to be started again.
    """
    with TemporaryDirectory(prefix="asyncscribe-worker-") as folder, (Path(folder) / "stderr").open("w+b") as errors:
        command = _command(order, sources, name, Path(folder))
        environment = {**os.environ, **order.environment}
        with subprocess.Popen(  # noqa: S603 - the program itself
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environment
        ) as child:
            code = _attend(child)
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-KEPT:]
    sys.stderr.write(said)
    if code not in ENDS:
        time.sleep(PAUSE)
        raise WorkerDied(f"{name} ended with {code}")
    return Ended(code, socket.gethostname(), said)


def _command(order: Order, sources: Sequence[str], name: str, folder: Path) -> list[str]:
    listed, config = folder / "sources", folder / "config.json"
    listed.write_text("\n".join(sources), encoding="utf-8", errors="surrogateescape")
    config.write_text(order.config, encoding="utf-8")
    run = [sys.executable, "-m", "asyncscribe.batch.cluster.tether", "batch", "run", *order.arguments]
    return [*run, "--from-file", str(listed), "--config", str(config), "--worker", name, "--quiet"]


def _attend(child: subprocess.Popen[bytes]) -> int:
    """Wait for a worker; end it if the task is cancelled."""
    try:
        while True:
            # Ray cancels by an interrupt that is only noticed between two instructions, not in an endless wait.
            with suppress(subprocess.TimeoutExpired):
                return child.wait(1.0)
    except BaseException:
        if child.stdin is not None:
            child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        child.kill()
        child.wait()
        raise


class RayWorkers:
    """Workers on a Ray cluster.

    Args:
        order: What each of them does.
        sources: What is transcribed; paths are absolute.
        name: Prefix of their names.
        count: How many; None for one on each node.
    """

    def __init__(self, order: Order, sources: Sequence[str], name: str, count: int | None = None) -> None:
        import ray

        self._ray = ray
        self.count = count or sum(bool(node["Alive"]) for node in ray.nodes())
        task = ray.remote(work).options(
            name="asyncscribe batch",
            max_retries=-1,
            retry_exceptions=[WorkerDied],
            scheduling_strategy="SPREAD",
        )
        listed = ray.put(tuple(sources))
        self._running: list[Any] = [task.remote(order, listed, f"{name}-{number}") for number in range(self.count)]
        self.ended: list[Ended] = []

    def look(self) -> bool:
        """Whether some still work, or are to be started again."""
        if self._running:
            over, self._running = self._ray.wait(self._running, num_returns=len(self._running), timeout=0)
            self.ended.extend(map(self._end, over))
        return bool(self._running)

    def cancel(self) -> None:
        """Tell all to finish what they have begun; none is started again."""
        for task in self._running:
            self._ray.cancel(task)

    def _end(self, task: Any) -> Ended:
        try:
            ended: Ended = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            # A retry would not help, for example on a node without asyncscribe.
            return Ended(1, "", str(error))
        return ended


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[None]:
    """A connection to a Ray cluster.

    Args:
        address: `host:port`, `ray://host:port`, `auto` for the cluster of this machine, `local` for a new one in this
            process.
        workers: How many are to run; used by `local`.

    Raises:
        OSError: There is no cluster.
        ValueError: The address can't be read.
    """
    import ray

    _knock(address)
    options: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options = {"num_cpus": max(workers or 1, os.cpu_count() or 1), "include_dashboard": False}
    with _sigterm_kept():
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail fast: Ray itself would try for minutes if nobody answers."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=KNOCK).close()


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Keep our handler: Ray's own would end the process without cancelling anything."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)

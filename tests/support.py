"""Places, schedules and short ways to a client and to simulated recordings."""

from __future__ import annotations

import os
from pathlib import Path

from asyncscribe import AsyncClient, Backoff, RetryPolicy, SubmissionPolicy
from asyncscribe.server import LocalServer

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
EXAMPLES = ROOT / "examples"
KEY = "key-7f3a9c51d2"

#: Schedules that are quick even without a virtual clock.
POLLING = Backoff(initial=0.01, factor=1.5, maximum=0.1, jitter=0)
RETRY = RetryPolicy(attempts=4, patience=0, backoff=Backoff(initial=0.01, factor=1.5, maximum=0.05, jitter=0))
SUBMISSION = SubmissionPolicy(lookups=(0.01, 0.05), quiet=0.1, attempts=2)


def open_client(server: LocalServer, key: str | None = None, **arguments) -> AsyncClient:
    """A client with quick schedules, to be entered."""
    arguments = {"polling": POLLING, "retry": RETRY, "submission": SUBMISSION, **arguments}
    return AsyncClient(key or server.api_key, server.base_url, **arguments)


def recording(name: str = "a", **rules: object) -> str:
    """A foreign URL with rules for the simulated engine; quick unless told otherwise."""
    rules = {"seconds": 0.01, "duration": 2, **rules}
    return f"http://recordings.test/{name}.mp3?" + "&".join(f"{key}={value}" for key, value in rules.items())


def plain_environment() -> dict[str, str]:
    """The environment without the coverage that is measured in child processes, which takes memory and modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def transcripts(folder: Path) -> list[str]:
    """The files of an output folder, without what belongs to the journal."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".asyncscribe")]
    return sorted(path.relative_to(folder).as_posix() for path in paths)

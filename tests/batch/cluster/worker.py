"""A worker as a process of its own, which stops or dies at one chosen effect: `python -m tests.batch.cluster.worker`.

The environment says where and how: AIM is `<effect>:<before|after>:<kill|stop>`, where effects are the journal's steps
and `post`, the submission. SKEW sets the machine's clock ahead by so many seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from asyncscribe import AsyncClient, Backoff, SubmissionPolicy
from asyncscribe.api.connection import Connection
from asyncscribe.batch import Batch
from asyncscribe.batch.cluster.crew import Crew, joined
from asyncscribe.batch.journal.postgres import PostgresJournal
from asyncscribe.errors import JournalError, LeaseLost

#: Seconds. The doubt is settled after `QUIET`.
LEASE = 1.5
QUIET = 1.0


def say(*words: object) -> None:
    """Tell whoever started the process."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def strike(how: str) -> None:
    """Die, or stand still until somebody lets the process go on."""
    say("at", os.environ["AIM"])
    os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)


def arm(aim: str) -> None:
    """Have the process struck when it gets to an effect for the first time."""
    effect, when, how = aim.split(":")
    struck = []

    def once() -> None:
        if not struck:
            struck.append(True)
            strike(how)

    if effect == "gate":
        # Just before the lease is asked for: what follows must not be sent.
        permit = Crew.permit

        def asked(self) -> None:
            once()
            permit(self)

        Crew.permit = asked
        return
    kind, name = (Connection, "exchange") if effect == "post" else (PostgresJournal, effect)
    original = getattr(kind, name)

    async def aimed(self, *arguments, **options):
        if effect == "post" and str(arguments[0]) != "POST /v2/transcript":
            return await original(self, *arguments, **options)
        if when == "before":
            once()
        result = await original(self, *arguments, **options)
        if when == "after":
            once()
        return result

    setattr(kind, name, aimed)


async def work(dsn: str, address: str, output: str, name: str, sources: list[str]) -> int:
    """Take part until all is done; as a new worker if the lease was lost."""
    hours = float(os.environ["HOURS"]) if "HOURS" in os.environ else None
    policy = SubmissionPolicy(lookups=(0.1, 0.4), quiet=QUIET)
    polling = Backoff(initial=0.05, factor=1.5, maximum=0.3)
    async with AsyncClient("key", address, polling=polling, submission=policy) as client:
        while True:
            try:
                allowed = None if hours is None else 3600 * hours
                async with (
                    joined(dsn, name=name, shared_files=True, lease=LEASE, beat=LEASE / 3, allowed=allowed) as crew,
                    Batch(client, output, journal=crew.journal, claims=crew, max_hours=hours) as batch,
                ):
                    lost = False
                    async for outcome in batch.run(sources):
                        say("outcome", outcome.item.name, outcome.error)
                        lost = lost or isinstance(outcome.error, JournalError)
                    if not lost:
                        return 3 if batch.exhausted else 0
            except LeaseLost:
                say("lost the lease")
            except JournalError as error:
                say(error)
                await asyncio.sleep(0.2)


if __name__ == "__main__":
    if skew := float(os.environ.get("SKEW", "0")):
        clock = time.time
        time.time = lambda: clock() + skew
    if "AIM" in os.environ:
        arm(os.environ["AIM"])
    sys.exit(asyncio.run(work(*sys.argv[1:5], sys.argv[5:])))

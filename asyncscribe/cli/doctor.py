"""`asyncscribe doctor`: checks the setup, a verdict a line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from asyncscribe import settings
from asyncscribe.cli.connection import connect
from asyncscribe.cli.exits import Exit, run
from asyncscribe.cli.options import BaseUrl
from asyncscribe.client import AsyncClient
from asyncscribe.errors import AuthenticationError, ConfigurationError, MissingApiKey, ServiceError
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptStatus

#: Seconds of skew that do no harm: lost submissions are looked up by the service's clock, with a tolerance of 10 s, and
#: not by this machine's; signed URLs usually allow minutes.
TOLERABLE_SKEW = 60
#: Newest transcripts that are checked for signs of the account's limit.
NEWEST = 200


class Verdict(StrEnum):
    """What a check found."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    verdict: Verdict
    what: str
    detail: str


def doctor(base_url: BaseUrl = None) -> None:
    """Check key, address, connection, clock, account and proxies. Exits with 1 if something is wrong."""

    async def work() -> Exit:
        failed = False
        async for finding in _examine(base_url):
            sys.stdout.write(f"{finding.verdict:4}  {finding.what:8}  {finding.detail}\n")
            failed |= finding.verdict is Verdict.FAIL
        return Exit.FAILED if failed else Exit.DONE

    run(work)


async def _examine(base_url: str | None) -> AsyncIterator[Finding]:
    try:
        resolved = settings.resolve(None, base_url)
    except MissingApiKey as error:
        yield Finding(Verdict.FAIL, "key", str(error))
        return
    except ConfigurationError as error:
        yield Finding(Verdict.FAIL, "address", str(error))
        return
    yield Finding(Verdict.OK, "address", resolved.base_url)
    yield _proxies(resolved.base_url)
    async with connect(base_url=base_url) as client:
        try:
            statuses = Counter([item.status async for item in _newest(client)])
        except AuthenticationError as error:
            yield Finding(Verdict.FAIL, "key", str(error))
            return
        except ServiceError as error:
            yield Finding(Verdict.FAIL, "service", str(error))
            return
        yield Finding(Verdict.OK, "key", "the service accepts it")
        yield _clock(client.stats.transport.clock_ahead)
        yield _limit(statuses)


async def _newest(client: AsyncClient) -> AsyncIterator[ListItem]:
    seen = 0
    async for item in client.list(page_size=NEWEST):
        yield item
        seen += 1
        if seen == NEWEST:
            return


def _proxies(base_url: str) -> Finding:
    parts = urlsplit(base_url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None:
        return Finding(Verdict.OK, "proxies", "none is set for this address")
    if proxy_bypass(parts.hostname or ""):
        return Finding(Verdict.OK, "proxies", "NO_PROXY exempts this address")
    # A proxy's address may hold a password.
    shown = urlsplit(proxy).hostname or "a proxy"
    return Finding(Verdict.NOTE, "proxies", f"requests go through {shown}")


def _clock(ahead: float | None) -> Finding:
    if ahead is None:
        return Finding(Verdict.NOTE, "clock", "the service did not report its time")
    if abs(ahead) <= TOLERABLE_SKEW:
        return Finding(Verdict.OK, "clock", f"within {max(1, round(abs(ahead)))} s of the service's")
    direction = "behind" if ahead > 0 else "ahead of"
    return Finding(Verdict.FAIL, "clock", f"{abs(ahead):.0f} s {direction} the service's; set it, or signed URLs fail")


def _limit(statuses: Counter[str]) -> Finding:
    running, queued = statuses[TranscriptStatus.PROCESSING], statuses[TranscriptStatus.QUEUED]
    if queued:
        return Finding(
            Verdict.NOTE, "limit", f"{queued} jobs wait in the service's queue while {running} run: about {running}"
        )
    return Finding(Verdict.OK, "limit", f"at least {max(running, 1)}; no job waits now, so the exact limit is unknown")

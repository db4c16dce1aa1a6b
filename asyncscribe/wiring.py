"""What a client is made of: its arguments, checked, and its parts, built from them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from asyncscribe import settings
from asyncscribe.api.network import Network
from asyncscribe.api.transcripts import Transcripts
from asyncscribe.api.transport import Transport, TransportStatistics
from asyncscribe.arguments import check_kind
from asyncscribe.engine.jobs import JobRunner
from asyncscribe.engine.limiter import Limiter, LimiterStatistics
from asyncscribe.engine.pipeline import Pipeline
from asyncscribe.engine.submission import Submitter
from asyncscribe.engine.tasks import Tasks
from asyncscribe.engine.totals import JobTotals
from asyncscribe.engine.uploads import Uploader
from asyncscribe.engine.watcher import Watcher, WatcherStatistics
from asyncscribe.errors import ConfigurationError
from asyncscribe.events import EventHandler, LimitChanged, Listeners
from asyncscribe.lifetime import Lifetime
from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import FixedLimit, Limit
from asyncscribe.policies.request_rate import HttpBudget
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.settings import Settings, Timeouts

#: The schedule of status checks: after 1 s, then 1.5 times longer each, up to every 10 s. The vendor's clients check
#: every 3 s; most jobs take longer than a few seconds, and the service allows 66.7 requests a second for everything.
POLLING = Backoff(initial=1.0, factor=1.5, maximum=10.0, jitter=0.1)
#: Uploads at once. One connection rarely fills a line; more than a few only make each of them slower.
UPLOADS = 4

#: What arguments may be, and what to pass where they are something else.
_KINDS: dict[str, tuple[tuple[Any, ...], str]] = {
    "api_key": ((str,), "pass the key's text"),
    "base_url": ((str,), "pass an address, 'us' or 'eu'"),
    "polling": ((Backoff,), "pass Backoff(initial=..., maximum=...), in seconds"),
    "retry": ((RetryPolicy,), "pass RetryPolicy(attempts=...)"),
    "resubmission": ((ResubmissionPolicy, int), "pass a number or a ResubmissionPolicy"),
    "submission": ((SubmissionPolicy,), "pass SubmissionPolicy(quiet=...), in seconds"),
    "budget": ((HttpBudget,), "pass HttpBudget(requests, seconds)"),
    "timeouts": ((Timeouts,), "pass Timeouts(connect=..., idle=...), in seconds"),
    "on_event": ((Callable,), "pass a function that takes an event"),
    "spool": ((int,), "pass a number of bytes"),
}


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """The client's parts at one moment, and what became of its jobs so far.

    Attributes:
        jobs: Slots for jobs.
        uploads: Slots for uploads.
        watcher: Jobs that are waited for at the service.
        transport: Requests that were sent.
        totals: What became of the jobs so far.
    """

    jobs: LimiterStatistics
    uploads: LimiterStatistics
    watcher: WatcherStatistics
    transport: TransportStatistics
    totals: JobTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a client is given; `AsyncClient` describes each. Their types are checked on construction.

    Raises:
        ConfigurationError: One is of another type.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    concurrency: int | Limit | None = None
    polling: Backoff = POLLING
    uploads: int = UPLOADS
    retry: RetryPolicy | None = None
    resubmission: ResubmissionPolicy | int | None = None
    submission: SubmissionPolicy | None = None
    budget: HttpBudget | None = None
    timeouts: Timeouts | None = None
    on_event: EventHandler | None = None
    trust_env: bool = False
    allow_http: bool = False
    proxy: str | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    session: aiohttp.ClientSession | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    spool: int = 0

    def __post_init__(self) -> None:
        for name, (kinds, hint) in _KINDS.items():
            check_kind(name, getattr(self, name), kinds, hint)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one client.

    Attributes:
        settings: The service's address, and the key.
        listeners: Pass every event on.
        transport: Sends requests.
        tasks: What goes on in the background.
        slots: For jobs.
        upload_slots: For uploads.
        uploader: Sends recordings.
        watcher: Waits for jobs at the service.
        transcripts: Asks for what exists.
        submitter: Makes jobs.
        runner: Runs a job from its source to its transcript.
        pipeline: Runs many.
        lifetime: Opens and closes them.
    """

    settings: Settings
    listeners: Listeners
    transport: Transport
    tasks: Tasks
    slots: Limiter
    upload_slots: Limiter
    uploader: Uploader
    watcher: Watcher
    transcripts: Transcripts
    submitter: Submitter
    runner: JobRunner
    pipeline: Pipeline
    lifetime: Lifetime

    def statistics(self) -> ClientStatistics:
        """The present counts of all of them."""
        return ClientStatistics(
            self.slots.statistics(),
            self.upload_slots.statistics(),
            self.watcher.statistics(),
            self.transport.statistics(),
            self.runner.totals(),
        )


def build(arguments: Arguments) -> Parts:
    """Build the parts of a client, which does nothing before they are opened.

    Raises:
        MissingApiKey: There is no key anywhere.
        ConfigurationError: A setting is not allowed.
    """
    resolved = settings.resolve(arguments.api_key, arguments.base_url, allow_http=arguments.allow_http)
    listeners = Listeners(arguments.on_event)
    transport = _transport(arguments, resolved, listeners)
    tasks = Tasks()

    def limit_changed(limit: int) -> None:
        listeners(LimitChanged(limit, slots.basis))
        pipeline.limit_changed()

    slots = Limiter(_limit(arguments.concurrency, "concurrency"), limit_changed)
    upload_slots = Limiter(_limit(arguments.uploads, "uploads"))
    uploader = Uploader(transport, upload_slots, arguments.spool)
    watcher = Watcher(transport, tasks, arguments.polling, slots.observe, lambda: slots.statistics().waiting > 0)
    transcripts = Transcripts(transport, arguments.polling)
    submitter = Submitter(transport, tasks, arguments.submission)
    resubmission = _resubmission(arguments.resubmission)
    runner = JobRunner(tasks, uploader, slots, submitter, watcher, resubmission, listeners)
    pipeline = Pipeline(runner, slots, tasks, ahead=2 * arguments.uploads)
    return Parts(
        resolved,
        listeners,
        transport,
        tasks,
        slots,
        upload_slots,
        uploader,
        watcher,
        transcripts,
        submitter,
        runner,
        pipeline,
        Lifetime(transport, tasks, runner),
    )


def _transport(arguments: Arguments, resolved: Settings, listeners: Listeners) -> Transport:
    headers = arguments.headers or {}
    return Transport(
        resolved,
        timeouts=arguments.timeouts,
        retry=arguments.retry,
        budget=arguments.budget,
        on_event=listeners,
        network=Network(arguments.trust_env, arguments.proxy, arguments.ssl_context, arguments.session, headers),
    )


def _limit(limit: int | Limit | None, name: str) -> Limit:
    if limit is None:
        return AdaptiveLimit()
    check_kind(name, limit, (int, Limit), "pass a number of jobs, or a Limit")
    if not isinstance(limit, int):
        return limit
    if limit < 1:
        raise ConfigurationError(f"{name} must be at least 1, not {limit}")
    return FixedLimit(limit)


def _resubmission(policy: ResubmissionPolicy | int | None) -> ResubmissionPolicy:
    if isinstance(policy, int):
        return ResubmissionPolicy.at_most(policy)
    return policy or ResubmissionPolicy()

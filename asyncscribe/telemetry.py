"""Traces and metrics of a client, by OpenTelemetry: `with instrumented(client):`.

Each job is a span "transcribe" in its caller's trace, with a child for each step: "upload", "slot" (waiting for a
slot), "submission" and "wait" (for the service). Everything is derived from the client's events and statistics; the
engine knows nothing of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context as EmptyContext
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from asyncscribe.client import AsyncClient, ClientStatistics
from asyncscribe.events import Event, JobEvent, RequestRetried, Resubmitting, StateChanged
from asyncscribe.lifecycle import JobState, is_final
from asyncscribe.masking import masked
from asyncscribe.version import __version__

try:
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
    from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider
except ImportError as error:
    raise ImportError("traces and metrics need OpenTelemetry: pip install 'asyncscribe[otel]'") from error

__all__ = ["instrumented"]

#: Seconds between readings of the client's statistics; the gauges are at most this old.
PERIOD = 1.0
#: Upper bounds of the histograms' buckets, seconds: from a short recording to a batch that waits for its slots.
BOUNDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0)

#: The child span of each state that is not final.
_STEPS = {
    JobState.UPLOADING: "upload",
    JobState.WAITING: "slot",
    JobState.SUBMITTING: "submission",
    JobState.QUEUED: "wait",
    JobState.PROCESSING: "wait",
}
#: States in which no job starts: a job first seen in one of them started earlier.
_LATE = {JobState.SUBMITTING, JobState.QUEUED, JobState.PROCESSING}

#: Name, unit, description and value of each gauge.
_GAUGES: tuple[tuple[str, str, str, Callable[[ClientStatistics], int]], ...] = (
    ("asyncscribe.jobs.in_flight", "{job}", "Jobs that hold a slot", lambda stats: stats.jobs.held),
    ("asyncscribe.jobs.limit", "{job}", "Jobs that may hold a slot", lambda stats: stats.jobs.limit),
    ("asyncscribe.jobs.waiting", "{job}", "Jobs that wait for a slot", lambda stats: stats.jobs.waiting),
    ("asyncscribe.jobs.queued", "{job}", "Jobs that are queued at the service", lambda stats: stats.watcher.queued),
    (
        "asyncscribe.requests.allowance",
        "{request}",
        "Requests that are left of the allowance",
        lambda stats: stats.transport.gate.allowed - stats.transport.gate.used,
    ),
)


@contextmanager
def instrumented(
    client: AsyncClient,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Iterator[None]:
    """Trace and measure what a client does, for as long as the context lasts.

    Enter it before the client is opened, so that jobs which closing the client cuts off are recorded too:

        client = AsyncClient()
        with instrumented(client):
            async with client:
                transcript = await client.transcribe("interview.mp3")

    Spans that are still open when the context ends are ended then. Neither the key nor a URL's query is ever included.

    Args:
        client: The client; open or not yet.
        tracer_provider: Where spans go; None means OpenTelemetry's global one.
        meter_provider: Where metrics go; None means OpenTelemetry's global one.
    """
    tracer = trace.get_tracer("asyncscribe", __version__, tracer_provider)
    instruments = _instruments(meter_provider)
    observer = _Observer(client, tracer, instruments)
    with instruments.observing(observer):
        try:
            with client.listening(observer):
                yield
        finally:
            observer.close()


class _Instruments:
    """The instruments of one meter, shared by all clients: OpenTelemetry never drops one, and reads only the first."""

    def __init__(self, meter: Meter) -> None:
        self.observers: tuple[_Observer, ...] = ()
        self.jobs = meter.create_counter("asyncscribe.jobs", "{job}", "Jobs that have ended")
        self.resubmissions = meter.create_counter(
            "asyncscribe.resubmissions", "{job}", "Jobs that were submitted again after a failure of the service"
        )
        self.retries = meter.create_counter(
            "asyncscribe.request.retries", "{request}", "Requests that failed and were repeated"
        )
        self.requests = meter.create_counter("asyncscribe.requests", "{request}", "Requests, failed ones included")
        self.rate_limited = meter.create_counter(
            "asyncscribe.requests.rate_limited", "{request}", "Requests that were answered with 429"
        )
        self.uploaded = meter.create_counter("asyncscribe.upload.io", "By", "Bytes handed to connections by uploads")
        self.duration = meter.create_histogram(
            "asyncscribe.job.duration", "s", "From a job's start to its end", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self.queueing = meter.create_histogram(
            "asyncscribe.queue.duration", "s", "A job's wait for a slot", explicit_bucket_boundaries_advisory=BOUNDS
        )
        for name, unit, description, value in _GAUGES:
            meter.create_observable_gauge(name, [partial(self._observed, value)], unit, description)
        meter.create_observable_gauge("asyncscribe.loop.lag", [self._lag], "s", "How late the event loop is")

    @contextmanager
    def observing(self, observer: _Observer) -> Iterator[None]:
        """Include this observer in the gauges, for as long as the context lasts."""
        # A new tuple each time, because the exporter's thread may be iterating the old one.
        with _lock:
            self.observers = (*self.observers, observer)
        try:
            yield
        finally:
            with _lock:
                self.observers = tuple(other for other in self.observers if other is not observer)

    def _observed(self, value: Callable[[ClientStatistics], int], _: CallbackOptions) -> Iterable[Observation]:
        """The sum for each address, because two observations with the same attributes would hide each other."""
        sums: dict[str, int] = defaultdict(int)
        for observer in self.observers:
            # This may run in the exporter's thread, so it reads statistics that were taken on the event loop.
            statistics = observer.statistics
            if statistics is not None and observer.pulse.lag() is not None:
                sums[observer.address] += value(statistics)
        return [Observation(total, {"server.address": address}) for address, total in sums.items()]

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        lags = [lag for observer in self.observers if (lag := observer.pulse.lag()) is not None]
        return [Observation(max(lags))] if lags else []


_known: WeakKeyDictionary[Any, _Instruments] = WeakKeyDictionary()
_lock = Lock()


def _instruments(provider: MeterProvider | None) -> _Instruments:
    if provider is metrics.get_meter_provider():
        provider = None
    # The global provider may be set later; instruments that were made before then belong to it.
    key = metrics if provider is None else provider
    with _lock:
        if key not in _known:
            _known[key] = _Instruments(metrics.get_meter("asyncscribe", __version__, provider))
        return _known[key]


class _Pulse:
    """A tick on the client's event loop, and how late it fires. A timer, because a task could be left behind.

    Args:
        beat: Called at the start and with every tick.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._late = 0.0

    def start(self) -> None:
        """Start, if a loop is running that is not the previous one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is not self._loop:
            self.stop()
            self._late = 0.0
            self._wind(loop)
            self._loop = loop
            self._beat()

    def stop(self) -> None:
        """Stop ticking."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop = None

    def lag(self) -> float | None:
        """Seconds by which the last tick was late, or the next one already is; None while the loop does not run."""
        loop = self._loop
        return max(self._late, loop.time() - self._due) if loop is not None and loop.is_running() else None

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + PERIOD
        # With an empty context: the span of the code that happens to start it must not become the parent.
        self._timer = loop.call_at(self._due, self._fire, loop, context=EmptyContext())

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._late = max(0.0, loop.time() - self._due)
        self._wind(loop)
        self._beat()


class _JobSpan:
    """The span of one job, and the child for the step that it is in.

    Args:
        tracer: Makes spans.
        event: The job's first event.
        address: The service's host.
        now: Seconds of the loop's clock.
        late: Whether the job started before its first event here. Then the present context may be that of another job,
            which polls the service for both.
    """

    def __init__(self, tracer: Tracer, event: JobEvent, address: str, now: float, *, late: bool) -> None:
        self._tracer = tracer
        self.begun = None if late else now
        outer = Context() if late else None
        self.span = tracer.start_span(
            "transcribe",
            outer,
            attributes={"asyncscribe.job": event.job, "asyncscribe.source": event.source, "server.address": address},
        )
        self.context = trace.set_span_in_context(self.span, outer)
        self.step: str | None = None
        self.entered = now
        self._child: Span | None = None

    def enter(self, step: str, now: float) -> None:
        """Start the child for a step."""
        self._child = self._tracer.start_span(step, self.context)
        self.step, self.entered = step, now

    def leave(self, problem: str | None = None) -> None:
        """End the child, if any."""
        if self._child is not None:
            if problem is not None:
                self._child.set_status(Status(StatusCode.ERROR, problem))
            self._child.end()
        self.step = self._child = None

    def end(self) -> None:
        """End the span and its child."""
        self.leave()
        self.span.end()


class _Observer:
    """Receives the events of one client, and reads its statistics periodically.

    Args:
        client: The client.
        tracer: Makes spans.
        instruments: Record the measurements.
    """

    def __init__(self, client: AsyncClient, tracer: Tracer, instruments: _Instruments) -> None:
        self.address = urlsplit(client.base_url).hostname or ""
        self._attributes = {"server.address": self.address}
        self._client = client
        self._tracer = tracer
        self._instruments = instruments
        self._counters = (instruments.requests, instruments.rate_limited, instruments.uploaded)
        self._jobs: dict[int, _JobSpan] = {}
        self.statistics = self._look()
        self.pulse = _Pulse(self._refresh)
        self.pulse.start()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        self.pulse.start()
        match event:
            case StateChanged():
                self._moved(event, asyncio.get_running_loop().time())
            case Resubmitting():
                self._resubmitting(event, asyncio.get_running_loop().time())
            case RequestRetried():
                self._instruments.retries.add(1, self._attributes)

    def close(self) -> None:
        """End all open spans."""
        self.pulse.stop()
        self._refresh()
        while self._jobs:
            self._jobs.popitem()[1].end()

    def _span(self, event: JobEvent, now: float, *, late: bool) -> _JobSpan:
        if event.job not in self._jobs:
            self._jobs[event.job] = _JobSpan(self._tracer, event, self.address, now, late=late)
        return self._jobs[event.job]

    def _moved(self, event: StateChanged, now: float) -> None:
        state = event.state
        job = self._span(event, now, late=state in _LATE or (is_final(state) and event.submissions > 0))
        job.span.set_attribute("asyncscribe.submissions", event.submissions)
        if event.transcript_id is not None:
            job.span.set_attribute("asyncscribe.transcript_id", event.transcript_id)
        step = _STEPS.get(state)
        if job.step == "slot" and step != "slot":
            self._instruments.queueing.record(now - job.entered, self._attributes, job.context)
        if step is None:
            self._ended(job, event, now)
        elif step != job.step:
            job.leave()
            job.enter(step, now)

    def _ended(self, job: _JobSpan, event: StateChanged, now: float) -> None:
        del self._jobs[event.job]
        end = {"asyncscribe.job.end": event.state.value}
        job.span.set_attributes(end)
        if event.state is not JobState.COMPLETED:
            reason = masked(event.detail or event.state)
            job.span.set_attribute("error.type", event.state.value)
            job.span.set_status(Status(StatusCode.ERROR, reason))
            job.leave(reason)
        job.end()
        self._instruments.jobs.add(1, {**self._attributes, **end}, job.context)
        if job.begun is not None:
            self._instruments.duration.record(now - job.begun, {**self._attributes, **end}, job.context)

    def _resubmitting(self, event: Resubmitting, now: float) -> None:
        job = self._span(event, now, late=True)
        reason = masked(event.reason)
        told = {"asyncscribe.transcript_id": event.transcript_id, "asyncscribe.reason": reason}
        job.span.add_event("resubmission", told)
        job.leave(reason)
        self._instruments.resubmissions.add(1, self._attributes, job.context)

    def _look(self) -> ClientStatistics | None:
        try:
            return self._client.stats
        except RuntimeError:
            # It was never opened and no loop runs, so it has no clock, and nothing to report.
            return None

    def _refresh(self) -> None:
        before, self.statistics = self.statistics, self._look()
        more = (now - then for now, then in zip(_sent(self.statistics), _sent(before), strict=True))
        for counter, amount in zip(self._counters, more, strict=True):
            if amount > 0:
                counter.add(amount, self._attributes, Context())


def _sent(statistics: ClientStatistics | None) -> tuple[int, int, int]:
    if statistics is None:
        return 0, 0, 0
    transport = statistics.transport
    return transport.requests, transport.rate_limited, transport.bytes_uploaded

"""Spans and metrics by OpenTelemetry, as its own SDK takes them."""

import asyncio
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from asyncscribe import AsyncClient, AuthenticationError, SourceError, TranscriptionFailed, WaitInterrupted, telemetry
from asyncscribe.server import faults
from asyncscribe.telemetry import instrumented
from tests.support import KEY, open_client, plain_environment, recording


class Backend:
    """What an exporter would have sent."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.metrics = MeterProvider([self.reader], shutdown_on_exit=False)
        self.tracer = self.traces.get_tracer("caller")

    def instrumented(self, client):
        return instrumented(client, tracer_provider=self.traces, meter_provider=self.metrics)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    @property
    def job(self):
        (span,) = self.named("transcribe")
        return span

    def children(self, parent):
        """In the order of their begin."""
        found = [span for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]
        assert {span.context.trace_id for span in found} <= {parent.context.trace_id}
        return sorted(found, key=lambda span: span.start_time)

    def _metrics(self):
        data = self.reader.get_metrics_data()
        return [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []

    def points(self):
        """By name and way of ending; of histograms, count and sum."""
        return {
            (metric.name, point.attributes.get("asyncscribe.job.end")): (point.count, point.sum)
            if isinstance(point, HistogramDataPoint)
            else point.value
            for metric in self._metrics()
            for point in metric.data.data_points
        }

    def value(self, name, end=None):
        return self.points().get((f"asyncscribe.{name}", end))

    def units(self):
        return {metric.name: metric.unit for metric in self._metrics()}

    def text(self):
        """All that is exported."""
        data = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans) + (data.to_json() if data else "")


@pytest.fixture
def backend():
    return Backend()


def follow_each_other(spans):
    return all(one.end_time <= other.start_time for one, other in pairwise(spans))


async def test_a_job_is_a_span_in_the_callers_trace_and_its_steps_are_children(server, client, backend):
    with backend.instrumented(client):
        with backend.tracer.start_as_current_span("caller") as caller:
            transcript = await client.transcribe(b"\0" * 32_000)
    job = backend.job
    assert job.parent.span_id == caller.get_span_context().span_id
    assert dict(job.attributes) == {
        "asyncscribe.job": 1,
        "asyncscribe.source": "<32000 bytes>",
        "asyncscribe.submissions": 1,
        "asyncscribe.transcript_id": transcript.id,
        "asyncscribe.job.end": "completed",
        "server.address": "127.0.0.1",
    }
    assert job.status.status_code is StatusCode.UNSET
    steps = backend.children(job)
    assert [step.name for step in steps] == ["upload", "slot", "submission", "wait"]
    assert follow_each_other(steps)
    assert job.start_time <= steps[0].start_time
    assert steps[-1].end_time <= job.end_time


async def test_jobs_at_once_are_in_the_traces_of_their_own_callers(server, client, backend):
    async def ask(number):
        with backend.tracer.start_as_current_span(f"caller {number}"):
            await client.transcribe(recording(str(number)))

    with backend.instrumented(client):
        await asyncio.gather(*(ask(number) for number in range(6)))
    for number in range(6):
        (caller,) = backend.named(f"caller {number}")
        (job,) = backend.children(caller)
        assert job.attributes["asyncscribe.source"] == f"http://recordings.test/{number}.mp3"
        assert [step.name for step in backend.children(job)] == ["slot", "submission", "wait"]


async def test_a_failed_job_tells_why(server, client, backend):
    with backend.instrumented(client):
        with pytest.raises(TranscriptionFailed):
            await client.transcribe(recording(error="Audio duration is too short."))
        with pytest.raises(SourceError):
            await client.transcribe("missing.wav")
    failed, missing = backend.named("transcribe")
    for job in (failed, missing):
        assert job.status.status_code is StatusCode.ERROR
        assert job.attributes["error.type"] == job.attributes["asyncscribe.job.end"] == "failed"
    assert "too short" in failed.status.description
    assert [step.status.status_code.name for step in backend.children(failed)] == ["UNSET", "UNSET", "ERROR"]
    assert "there is no such file" in missing.status.description
    assert backend.children(missing) == []
    assert backend.value("jobs", "failed") == 2


@pytest.mark.looptime
async def test_a_resubmission_is_an_event_of_the_span_and_begins_new_children(server, nothing_left, backend):
    async with open_client(server) as client:
        with backend.instrumented(client):
            await client.transcribe(recording(server_errors=1))
    job = backend.job
    (event,) = job.events
    assert event.name == "resubmission"
    assert event.attributes["asyncscribe.transcript_id"] == server.records[0].id
    assert "server error" in event.attributes["asyncscribe.reason"]
    assert job.attributes["asyncscribe.submissions"] == 2
    assert job.attributes["asyncscribe.transcript_id"] == server.records[1].id
    assert job.status.status_code is StatusCode.UNSET
    steps = backend.children(job)
    assert [step.name for step in steps] == ["slot", "submission", "wait", "submission", "wait"]
    assert [step.status.is_ok for step in steps] == [True, True, False, True, True]
    assert backend.value("resubmissions") == 1


async def test_what_goes_on_when_the_context_ends_is_ended_with_it(server, client, backend):
    with backend.instrumented(client):
        job = client.start(recording(seconds=0.2))
        await job.submitted()
    assert {"transcribe", "slot", "submission"} <= {span.name for span in backend.spans}
    assert "asyncscribe.job.end" not in backend.job.attributes
    ended = len(backend.spans)
    await job.wait()
    assert len(backend.spans) == ended
    assert backend.value("jobs", "completed") is None


async def test_a_job_that_the_clients_end_cuts_off_is_abandoned(server, nothing_left, backend):
    client = open_client(server)
    with backend.instrumented(client):
        async with client:
            job = client.start(recording(seconds=5))
            await job.submitted()
        with pytest.raises(WaitInterrupted):
            await job.wait()
    assert backend.job.attributes["error.type"] == "abandoned"
    assert "the client was closed" in backend.job.status.description
    assert backend.job.attributes["asyncscribe.transcript_id"] == job.id
    assert backend.value("jobs", "abandoned") == 1


@pytest.mark.looptime
async def test_a_job_that_began_before_is_seen_from_then_on_in_nobodys_trace(server, nothing_left, backend):
    async with open_client(server) as client:
        server.set_limit(1)
        with backend.tracer.start_as_current_span("caller"):
            jobs = [client.start(recording(str(number), seconds=5, server_errors=number)) for number in range(2)]
            await asyncio.gather(*(job.submitted() for job in jobs))
        with backend.instrumented(client):
            await asyncio.gather(*(job.wait() for job in jobs))
    assert [span.parent for span in backend.named("transcribe")] == [None, None]
    again = backend.named("transcribe")[-1]
    assert [step.name for step in backend.children(again)][-2:] == ["submission", "wait"]
    assert backend.value("jobs", "completed") == 2
    assert backend.value("job.duration", "completed") is None


@pytest.mark.looptime
async def test_the_metrics_are_those_of_the_client(server, nothing_left, backend):
    async with open_client(server, concurrency=2) as client:
        await client.transcribe(recording())
        before = client.stats.transport.requests
        with backend.instrumented(client):
            server.faults.script("POST", "/v2/upload", faults.Answer(429, headers={"Retry-After": "0"}))
            jobs = [client.start(recording(str(number), seconds=10)) for number in range(3)]
            jobs.append(client.start(b"\0" * 1_000))
            await asyncio.sleep(5.5)
            values = backend.points()
            assert values["asyncscribe.jobs.in_flight", None] == values["asyncscribe.jobs.limit", None] == 2
            assert values["asyncscribe.jobs.waiting", None] == 2
            assert values["asyncscribe.jobs.queued", None] == 0
            stats = client.stats.transport.gate
            assert 0 < values["asyncscribe.requests.allowance", None] <= stats.allowed
            assert values["asyncscribe.upload.io", None] >= 1_000
            for job in jobs:
                await job.wait()
            sent = client.stats.transport
        count, seconds = backend.value("job.duration", "completed")
        assert count == backend.value("jobs", "completed") == 4
        assert seconds == pytest.approx(10 + 10 + 20 + 10, abs=3)
        count, seconds = backend.value("queue.duration")
        assert count == 4
        assert seconds == pytest.approx(10 + 10, abs=3)
        assert backend.value("requests") == sent.requests - before
        assert backend.value("requests.rate_limited") == backend.value("request.retries") == 1
        assert backend.value("upload.io") == sent.bytes_uploaded


async def test_the_units_are_those_of_ucum(server, client, backend):
    with backend.instrumented(client):
        await client.transcribe(b"\0" * 1_000)
        units = backend.units()
    units |= backend.units()
    assert set(units.values()) == {"{job}", "{request}", "s", "By"}
    assert units["asyncscribe.job.duration"] == units["asyncscribe.loop.lag"] == "s"


async def test_gauges_end_with_the_context_and_counters_stay(server, client, backend):
    for number in (1, 2):
        with backend.instrumented(client):
            await client.transcribe(recording())
            assert backend.value("jobs.limit") == client.stats.jobs.limit
        assert {name for name, _ in backend.points()} & {"asyncscribe.jobs.limit", "asyncscribe.loop.lag"} == set()
        assert backend.value("jobs", "completed") == number
    assert backend.value("requests") == client.stats.transport.requests


async def test_clients_of_one_address_are_added_up(server, nothing_left, backend):
    async with open_client(server, concurrency=2) as one, open_client(server, concurrency=3) as other:
        with backend.instrumented(one), backend.instrumented(other):
            assert backend.value("jobs.limit") == 5
            await asyncio.gather(one.transcribe(recording("1")), other.transcribe(recording("2")))
        assert backend.value("jobs", "completed") == 2


async def test_a_loop_that_is_blocked_is_seen_while_it_is_and_after(server, client, backend, monkeypatch):
    monkeypatch.setattr(telemetry, "PERIOD", 0.1)
    with backend.instrumented(client):
        (observer,) = telemetry._instruments(backend.metrics).observers
        timer = observer.pulse._timer
        time.sleep(0.4)  # noqa: ASYNC251
        # An exporter asks in its own thread, which the loop does not hold up.
        assert await asyncio.gather(asyncio.to_thread(backend.value, "loop.lag")) >= [0.25]
        while observer.pulse._timer is timer:
            await asyncio.sleep(0)
        assert backend.value("loop.lag") >= 0.25
        async with asyncio.timeout(10):
            while backend.value("loop.lag") >= 0.25:
                await asyncio.sleep(0.01)


def test_it_can_be_entered_before_a_loop_runs_and_left_after(backend):
    client = AsyncClient(KEY, "http://127.0.0.1:9")

    async def run():
        async with client:
            assert backend.points() == {}
            with pytest.raises(SourceError):
                await client.transcribe("missing.wav")
            assert backend.value("loop.lag") >= 0
            assert backend.value("jobs.limit") == client.stats.jobs.limit

    with backend.instrumented(client):
        assert backend.points() == {}
        asyncio.run(run())
        assert backend.value("jobs.limit") is None
    assert backend.value("jobs", "failed") == 1
    with backend.instrumented(AsyncClient(KEY, "http://127.0.0.1:9")):
        pass


@pytest.mark.looptime
async def test_no_task_and_no_timer_is_left(server, nothing_left, backend, monkeypatch):
    monkeypatch.setattr(telemetry, "PERIOD", 0.01)
    client = open_client(server)
    tasks = asyncio.all_tasks()
    with backend.instrumented(client):
        assert asyncio.all_tasks() == tasks
        (observer,) = telemetry._instruments(backend.metrics).observers
        timer = observer.pulse._timer
        await asyncio.sleep(0.05)
        assert observer.pulse._timer is not timer
        timer = observer.pulse._timer
    assert timer.cancelled()
    assert telemetry._instruments(backend.metrics).observers == ()


async def test_no_more_is_kept_than_jobs_are_in_flight(server, client, backend):
    with backend.instrumented(client):
        (observer,) = telemetry._instruments(backend.metrics).observers
        jobs = [client.start(recording(str(n), **({"error": "no"} if n % 3 == 0 else {}))) for n in range(8)]
        jobs.append(client.start("missing.wav"))
        jobs[1].cancel()
        await jobs[-2].submitted()
        assert 0 < len(observer._jobs) <= 8
        await asyncio.gather(*(job.wait() for job in jobs), return_exceptions=True)
        assert observer._jobs == {}


@pytest.mark.looptime
async def test_neither_the_key_nor_a_urls_query_is_told(server, nothing_left, backend):
    leaked = "server error: can't fetch https://bucket.test/a.mp3%3Fsignature=s3cr3t now"
    async with open_client(server) as client, open_client(server, "another-key-1b2c3d") as refused:
        with backend.instrumented(client), backend.instrumented(refused):
            await client.transcribe(recording("signed", signature="s3cr3t", server_errors=1))
            with pytest.raises(TranscriptionFailed):
                await client.transcribe(recording(error=leaked))
            with pytest.raises(AuthenticationError):
                await refused.transcribe(recording("refused", signature="s3cr3t"))
    exported = backend.text()
    assert "https://bucket.test/a.mp3?***" in exported
    assert "http://recordings.test/signed.mp3" in exported
    for secret in (KEY, "another-key-1b2c3d", "s3cr3t", "signature"):
        assert secret not in exported


async def test_without_providers_the_global_ones_are_used_which_may_do_nothing(server, client):
    with instrumented(client), instrumented(client, meter_provider=metrics.get_meter_provider()):
        assert len(telemetry._instruments(None).observers) == 2
        assert (await client.transcribe(recording())).text


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=plain_environment()
    )


def test_importing_the_package_imports_no_opentelemetry():
    result = run("import sys, asyncscribe, asyncscribe.batch; print(*sys.modules)")
    assert "asyncscribe.client" in result.stdout
    assert "opentelemetry" not in result.stdout
    assert "asyncscribe.telemetry" not in result.stdout


def test_without_opentelemetry_it_says_what_to_install():
    result = run("import sys; sys.modules['opentelemetry'] = None; import asyncscribe.telemetry")
    assert result.returncode == 1
    assert "ImportError: traces and metrics need OpenTelemetry: pip install 'asyncscribe[otel]'" in result.stderr

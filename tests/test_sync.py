"""`Client` does what `AsyncClient` does, against a server in another thread."""

import _thread
import asyncio
import inspect
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from anyio.from_thread import start_blocking_portal

import asyncscribe
from asyncscribe import AsyncClient, Client, NotFound, NotOpen, SourceError, TranscriptionRequest, WaitTimeout, sync
from asyncscribe.events import StateChanged
from asyncscribe.server import LocalServer, faults
from tests.conftest import _connections
from tests.support import KEY, POLLING, RETRY, SUBMISSION, recording

PLAIN = {"__aenter__": "__enter__", "__aexit__": "__exit__", "aclose": "close"}
REDACTED = {"redact_pii": True, "redact_pii_audio": True, "redact_pii_policies": ["person_name"]}
SUBMIT = "POST /v2/transcript"


@pytest.fixture
def nothing_left():
    """After the test there is no thread, hence no loop and no task, and no connection that was not there before."""
    threads, connections = set(threading.enumerate()), _connections()
    yield
    assert set(threading.enumerate()) <= threads
    assert not _connections() - connections


@pytest.fixture
def server(nothing_left):
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(LocalServer(limit=2, api_key=KEY)) as running:
            yield running


def open_client(server, **arguments):
    return Client(KEY, server.base_url, polling=POLLING, retry=RETRY, submission=SUBMISSION, **arguments)


@pytest.fixture
def client(server, events):
    with open_client(server, on_event=events.append) as opened:
        yield opened


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def signalled():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@contextmanager
def interrupted(condition, press=signalled):
    """Ctrl-C once a condition holds, which ends the block."""
    presser = threading.Thread(target=lambda: (until(condition), press()))
    # A worker of the tests may ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        presser.join()
        signal.signal(signal.SIGINT, before)


def members(kind):
    return {
        name: member
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_") or name in {"__init__", *PLAIN, *PLAIN.values()}
    }


def plain(annotation):
    """What is returned where nothing is awaited."""
    return re.sub(r"^AsyncGenerator\[(.*), None\]$", r"Generator[\1, None, None]", str(annotation))


@pytest.mark.parametrize(("theirs", "ours"), [(AsyncClient, sync.Client), (asyncscribe.Job, sync.Job)])
def test_it_has_every_method_with_the_same_parameters_and_results(theirs, ours):
    expected = {PLAIN.get(name, name): member for name, member in members(theirs).items()}
    mirrored = members(ours)
    if ours is sync.Job:
        del expected["__init__"], mirrored["__init__"]
    assert mirrored.keys() == expected.keys()
    for name, member in expected.items():
        assert isinstance(mirrored[name], property) == isinstance(member, property), name
        one, other = (getattr(found, "fget", found) for found in (member, mirrored[name]))
        one, other = inspect.signature(one), inspect.signature(other)
        assert list(other.parameters.values()) == list(one.parameters.values()), name
        assert other.return_annotation == plain(one.return_annotation), name


def test_it_has_every_attribute():
    theirs, ours = (vars(kind(KEY, "eu")) for kind in (AsyncClient, Client))
    shown = {name for name in theirs if not name.startswith("_")}
    assert shown
    assert {name: ours[name] for name in shown} == {name: theirs[name] for name in shown}
    assert repr(Client(KEY, "eu")) == repr(AsyncClient(KEY, "eu")).replace("AsyncClient", "Client")


@pytest.mark.parametrize(
    "name", [name for name in inspect.signature(Client).parameters if name not in {"api_key", "base_url"}]
)
def test_every_argument_is_passed_on(name, monkeypatch):
    passed = {}
    monkeypatch.setattr(AsyncClient, "__init__", lambda self, *_, **arguments: passed.update(arguments))
    monkeypatch.setattr(AsyncClient, "base_url", "", raising=False)
    Client(**{name: "this"})
    assert passed[name] == "this"


def test_a_source_is_transcribed(server, client, events, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"\0" * 32_000)
    assert client.transcribe(tmp_path / "a.wav").text.startswith("this is")
    assert client.transcribe(recording(words=2), {"punctuate": True}, 60, priority=1).text == "this is"
    assert [event.state for event in events if isinstance(event, StateChanged)].count("completed") == 2
    assert client.stats.jobs.held == 0
    assert client.key_digest("salt") == AsyncClient(KEY).key_digest("salt")


def test_step_by_step(server, client):
    sent = []
    url = client.upload(b"\0" * 32_000, progress=lambda count: sent.append((count, threading.current_thread())))
    assert sent[-1][0] == 32_000
    assert sent[-1][1] is not threading.main_thread()
    job = client.submit(url, priority=1)
    assert client.wait(job) == client.wait(job.id) == job.wait(1) == job.transcript
    started = client.start(TranscriptionRequest(recording(), metadata=7), timeout=60)
    assert started.submitted() == started.id
    client.hint(started.id)
    started.wait()
    assert started.state == "completed"
    assert started.request.metadata == 7


def test_a_handle_shows_what_the_async_one_does(server, client):
    job = client.submit(recording(), {"punctuate": True}, priority=3)
    job.wait()
    for name, member in members(asyncscribe.Job).items():
        if isinstance(member, property):
            assert getattr(job, name) == getattr(job._job, name), name
    assert (job.priority, job.ids, repr(job)) == (3, (job.id,), repr(job._job))


def test_errors_are_the_same(server, client):
    with pytest.raises(SourceError, match="no such file"):
        client.transcribe("missing.wav")
    with pytest.raises(NotFound):
        client.get("00000000-0000-0000-0000-000000000000")
    with pytest.raises(WaitTimeout):
        client.submit(recording(seconds=100)).wait(0.01)
    with pytest.raises(TypeError, match="iterable of sources"):
        client.transcribe_many("a.wav")


def test_a_job_can_be_cancelled(server, client):
    job = client.start(recording(seconds=100))
    job.submitted()
    job.cancel()
    with pytest.raises(asyncscribe.WaitInterrupted):
        job.wait()
    assert job.state == "abandoned"
    assert isinstance(job.error, asyncscribe.WaitInterrupted)


@pytest.mark.parametrize("ordered", [False, True])
def test_many_sources_from_a_plain_iterable(server, client, ordered):
    server.set_limit(20)
    outcomes = list(client.transcribe_many((recording(str(n)) for n in range(30)), ordered=ordered))
    assert all(outcome.ok for outcome in outcomes)
    indices = [outcome.index for outcome in outcomes]
    assert sorted(indices) == list(range(30))
    assert indices == sorted(indices) or not ordered


def test_leaving_the_loop_early_ends_the_rest_at_once(server, client):
    taken = []

    def sources():
        try:
            for n in range(1000):
                taken.append(n)
                yield recording(str(n))
        finally:
            taken.append("closed")

    for outcome in client.transcribe_many(sources()):
        assert outcome.ok
        break
    until(lambda: client.stats.jobs.held == client.stats.watcher.watched == 0)
    assert taken[-1] == "closed"
    assert len(taken) < 100


def test_the_history(server, client):
    ids = [client.transcribe(recording(str(n))).id for n in range(12)]
    assert [item.id for item in client.list(page_size=5)] == ids[::-1]
    assert [transcript.id for transcript in client.iter_transcripts()] == ids[::-1]
    history = client.iter_transcripts()
    assert next(history).id == ids[-1]
    history.close()
    assert list(history) == []
    assert client.delete(ids[0]).id == ids[0]


def test_views_of_a_transcript(server, client, tmp_path):
    transcript_id = client.transcribe(recording(words=9), REDACTED).id
    assert client.sentences(transcript_id)
    assert client.paragraphs(transcript_id)
    assert client.subtitles(transcript_id, "vtt").startswith("WEBVTT")
    assert client.search(transcript_id, ["this"])[0].count == 1
    assert client.redacted_audio(transcript_id, 10).url
    assert client.download_redacted_audio(transcript_id, tmp_path / "r.mp3", 10).stat().st_size


def test_closed_it_answers_like_the_async_client(server):
    server.set_limit(20)
    client = open_client(server)
    for _ in range(2):
        with pytest.raises(NotOpen):
            client.get("abc")
        with pytest.raises(NotOpen):
            client.start(recording())
        with pytest.raises(NotOpen):
            list(client.transcribe_many([recording()]))
        with client:
            with pytest.raises(RuntimeError, match="open already"):
                client.__enter__()
            done, left = client.submit(recording()), client.submit(recording(seconds=100))
            done.wait()
            begun, unbegun = (client.transcribe_many([recording()] * 3) for _ in range(2))
            next(begun)
        client.close()
        assert done.wait() == done.transcript
        assert done.submitted() == done.id
        with pytest.raises(asyncscribe.WaitInterrupted, match="goes on"):
            left.wait()
        left.cancel()
        for outcomes in (begun, unbegun):
            with pytest.raises(NotOpen):
                next(outcomes)
        assert client.stats.jobs.held == 0


async def test_it_works_where_an_event_loop_runs(server):
    """As in the cells of a notebook."""
    with open_client(server) as client:
        assert client.transcribe(recording()).text
        assert [outcome.ok for outcome in client.transcribe_many([recording()])] == [True]
    await asyncio.sleep(0)


def test_more_handlers_listen_for_a_while(client, events):
    more = []
    with client.listening(more.append):
        client.transcribe(recording())
    client.transcribe(recording())
    assert len(events) == 2 * len(more) > 0


def test_threads_can_share_it(server, client):
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(client.transcribe(recording()).text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8


def test_closing_ends_what_another_thread_waits_for(server):
    errors = []

    def wait(call, *arguments):
        try:
            call(*arguments)
        except asyncscribe.AsyncscribeError as error:
            errors.append(type(error))

    server.faults.script("GET", "/v2/transcript/", faults.Hang())
    with open_client(server) as client:
        calls = [(client.transcribe, recording(seconds=100)), (client.get, "00000000-0000-0000-0000-000000000000")]
        threads = [threading.Thread(target=wait, args=call) for call in calls]
        for thread in threads:
            thread.start()
        until(lambda: server.requests[SUBMIT] and sum(server.requests.values()) > 1)
    for thread in threads:
        thread.join()
    assert len(errors) == 2


def test_a_callback_may_look_and_cancel_but_not_wait(server):
    seen, raised = [], []

    def handle(event):
        if isinstance(event, StateChanged) and event.transcript_id is not None and not seen:
            seen.append(client.stats.jobs.held)
            for call in (client.close, lambda: client.get("abc"), lambda: next(client.list())):
                with pytest.raises(RuntimeError, match="must not wait") as caught:
                    call()
                raised.append(caught.value)
            client.hint("abc")
            job.cancel()

    with open_client(server, on_event=handle) as client:
        job = client.start(recording(seconds=100))
        with pytest.raises(asyncscribe.WaitInterrupted):
            job.wait(20)
    assert seen == [1]
    assert len(raised) == 3


@pytest.mark.parametrize("press", [signalled, _thread.interrupt_main])
def test_ctrl_c_ends_a_wait(server, press):
    with interrupted(lambda: server.requests["GET /v2/transcript/{id}"], press), open_client(server) as client:
        client.transcribe(recording(seconds=100))
    assert len(server.records) == 1


def test_ctrl_c_leaves_the_client_usable(server, client):
    with interrupted(lambda: server.records):
        client.transcribe(recording(seconds=100))
    assert client.stats.jobs.held == client.stats.watcher.watched == 0
    outcomes = client.transcribe_many([recording(seconds=100)])
    with interrupted(lambda: len(server.records) == 2):
        next(outcomes)
    server.set_limit(10)
    assert client.transcribe(recording()).text


def test_ctrl_c_brings_a_submission_to_its_end(server, events, caplog):
    server.faults.script("POST", "/v2/transcript", faults.Delay(0.5))
    with interrupted(lambda: server.records), open_client(server, on_event=events.append) as client:
        client.transcribe(recording(seconds=100))
    (record,) = server.records
    assert record.id in caplog.text
    assert [event.transcript_id for event in events if isinstance(event, StateChanged)][-1] == record.id


def test_a_second_ctrl_c_does_not_wait_for_the_answer(server):
    server.faults.script("POST", "/v2/transcript", faults.Hang(), faults.Hang())
    begun = time.monotonic()
    client = open_client(server)
    errors = []

    def wait():
        try:
            client.transcribe(recording())
        except asyncscribe.AsyncscribeError as error:
            errors.append(error)

    other = threading.Thread(target=wait)
    with interrupted(lambda: client._client._parts.lifetime.is_closing):
        with client:
            other.start()
            with interrupted(lambda: server.requests[SUBMIT] == 2):
                client.transcribe(recording())
    other.join()
    assert isinstance(errors[0], NotOpen)
    assert time.monotonic() - begun < 8

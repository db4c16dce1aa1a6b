"""What other programs test themselves with: the scripted server, its twin in a thread, and the fixtures for pytest."""

import asyncio
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asyncscribe import TranscriptionFailed, WaitTimeout
from asyncscribe.server import faults
from asyncscribe.testing import Reply, ScriptedEngine, Server, SyncServer
from tests.support import ROOT, plain_environment

URL = "https://recordings.test/2024/call-7.mp3?signature=abc"
TURNS = [("Ann", "Hello? Who is there?"), ("Bob", "Good morning.")]


@pytest.fixture
async def scripted(nothing_left):
    async with Server() as server:
        yield server


@pytest.fixture
async def quick(scripted):
    async with scripted.client() as client:
        yield client


async def text_of(client, source, **config):
    return (await client.transcribe(source, config)).text


@pytest.mark.parametrize("kind", [str, Path])
async def test_an_upload_is_known_by_the_content_of_a_file(scripted, quick, tmp_path, kind):
    scripted.on(kind(tmp_path / "interview.mp3"), text="Good morning.")
    scripted.on(tmp_path / "never-there.mp3", text="wrong")
    (tmp_path / "interview.mp3").write_bytes(b"one" * 1000)
    (tmp_path / "copy.mp3").write_bytes(b"one" * 1000)
    (tmp_path / "other.mp3").write_bytes(b"two" * 1000)
    assert await text_of(quick, tmp_path / "copy.mp3") == "Good morning."
    assert (await text_of(quick, tmp_path / "other.mp3")) == ""


async def test_an_upload_is_known_by_its_bytes(scripted, quick):
    scripted.on(b"one", text="First.")
    scripted.on(b"two", text="Second.")
    assert [await text_of(quick, content) for content in (b"two", b"one")] == ["Second.", "First."]


@pytest.mark.parametrize(
    "source",
    [
        URL,
        "https://recordings.test/2024/call-7.mp3",
        "call-7.mp3",
        "call-*.mp3",
        "*/call-*.mp3",
        "https://recordings.test/*",
    ],
)
async def test_an_address_is_known_whole_by_a_pattern_or_by_its_last_part(scripted, quick, source):
    scripted.on("*/call-8.mp3", text="wrong")
    scripted.on(source, text="Good morning.")
    assert await text_of(quick, URL) == "Good morning."


async def test_letters_that_mean_something_in_a_pattern_are_also_just_letters(scripted, quick):
    scripted.on("call [1].mp3", text="Good morning.")
    assert await text_of(quick, "https://recordings.test/call%20%5B1%5D.mp3") == "Good morning."


async def test_a_file_is_not_taken_for_an_address_nor_an_address_for_a_file(scripted, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("call-7.mp3").write_bytes(b"content")
    scripted.on(Path("call-7.mp3"), text="a file")
    scripted.on(b"content!", text="bytes")
    scripted.on("*", text="an address")
    assert await text_of(quick, URL) == "an address"
    assert await text_of(quick, "call-7.mp3") == "a file"


async def test_words_have_times_that_are_spread_over_the_duration(scripted, quick):
    scripted.then(text=" one  two\nthree four ", duration=8)
    scripted.then(text="one two three four five")
    scripted.then(text="")
    first, second, third = [await quick.transcribe(URL) for _ in range(3)]
    assert first.text == "one two three four"
    assert [(word.start, word.end) for word in first.words] == [(0, 2000), (2000, 4000), (4000, 6000), (6000, 8000)]
    assert (first.audio_duration, second.audio_duration, second.words[-1].end) == (8, 2, 2000)
    assert (third.text, third.words) == ("", ())
    assert first.speech_model_used == "simulated"


async def test_turns_make_utterances_where_speakers_are_asked_for(scripted, quick):
    scripted.on("*", text=TURNS)
    told_apart = await quick.transcribe(URL, {"speaker_labels": True})
    assert [(part.speaker, part.text) for part in told_apart.utterances] == TURNS
    plain = await quick.transcribe(URL)
    assert plain.text == told_apart.text == "Hello? Who is there? Good morning."
    assert not plain.utterances
    channels = await quick.transcribe(URL, {"multichannel": True})
    assert [(part.speaker, part.channel) for part in channels.utterances] == [("1", "1"), ("2", "2")]
    both = await quick.transcribe(URL, {"multichannel": True, "speaker_labels": True})
    assert [part.speaker for part in both.utterances] == ["1A", "2A"]


async def test_a_text_without_turns_has_one_speaker(scripted, quick):
    scripted.then(text="Good morning.")
    transcript = await quick.transcribe(URL, {"speaker_labels": True})
    assert [(part.speaker, part.text) for part in transcript.utterances] == [("A", "Good morning.")]


async def test_a_job_fails_with_the_text_of_the_service(scripted, quick):
    scripted.on("call-*", error="Audio file contains no speech.")
    with pytest.raises(TranscriptionFailed) as failure:
        await quick.transcribe(URL)
    assert failure.value.reason == "Audio file contains no speech."


async def test_the_first_submissions_fail_by_the_services_fault(scripted, quick):
    scripted.on("*", text="Good morning.", server_errors=1, times=1)
    assert await text_of(quick, URL) == "Good morning."
    assert [record.status for record in scripted.records] == ["error", "completed"]
    scripted.then(server_errors=1)
    assert (await text_of(quick, URL)).startswith("this is a simulated")
    assert len(scripted.records) == 4


async def test_scripts_by_source_come_before_the_next_ones(scripted, quick):
    scripted.then(text="next", times=2)
    scripted.on(URL, text="twice", times=2)
    scripted.on("call-*", text="once", times=1)
    texts = [await text_of(quick, URL) for _ in range(6)]
    assert texts[:5] == ["twice", "twice", "once", "next", "next"]
    assert texts[5].startswith("this is a simulated")


async def test_a_script_for_ever_gives_way_to_a_later_one_for_the_same(scripted, quick):
    scripted.on(URL, text="first")
    scripted.then(text="any", times=None)
    assert await text_of(quick, URL) == "first"
    scripted.on(URL, text="second", times=1)
    scripted.then(text="other", times=None)
    assert [await text_of(quick, URL) for _ in range(3)] == ["second", "other", "other"]


async def test_the_next_ones_are_taken_in_the_order_in_which_jobs_start(nothing_left):
    async with Server(limit=3) as server, server.client(concurrency=3) as client:
        for number in range(9):
            server.then(text=str(number), seconds=0.01 * (3 - number % 3))
        sources = [f"https://recordings.test/{number}.mp3" for number in range(9)]
        texts = {o.source: o.transcript.text async for o in client.transcribe_many(sources)}
        started = sorted(server.records, key=lambda record: record.started)
        assert [texts[record.audio_url] for record in started] == [str(number) for number in range(9)]


async def test_what_is_not_scripted_is_simulated_and_ends_at_once(scripted, quick):
    begun = time.monotonic()
    transcript = await quick.transcribe("https://recordings.test/a.mp3?words=3&duration=3600")
    assert (transcript.text, transcript.audio_duration) == ("this is a", 3600)
    assert time.monotonic() - begun < 5
    scripted.on("*", duration=20)
    assert (await quick.transcribe(URL)).audio_duration == 20


@pytest.mark.parametrize("default", ["Good morning.", Reply("Good morning.", server_errors=1)])
async def test_there_can_be_another_default(nothing_left, default):
    async with Server(default=default) as server, server.client() as client:
        server.then(text="next")
        assert [await text_of(client, URL) for _ in range(3)] == ["next", "Good morning.", "Good morning."]


async def test_a_strict_server_says_what_was_asked_for_and_what_is_scripted(nothing_left):
    async with Server(strict=True) as server, server.client() as client:
        with pytest.raises(TranscriptionFailed, match=r"nothing is scripted for .*call-7\.mp3.*; .*: nothing at all"):
            await client.transcribe(URL)
        server.on("other-*", text="wrong")
        server.on(b"abc", text="wrong")
        server.then(text="Good morning.")
        assert await text_of(client, URL) == "Good morning."
        asked = r"for an upload of 1,000 bytes; scripted is: other-\*, an upload of 3 bytes, then\(\) \(used up\)"
        with pytest.raises(TranscriptionFailed, match=asked):
            await client.transcribe(b"x" * 1000)
    # Nobody tries it again.
    assert len(server.records) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a", "error": "b"},
        {"error": "a", "duration": 3},
        {"error": ""},
        {"text": 7},
        {"text": ["one", "two"]},
        {"text": [("", "nobody")]},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"duration": -1},
        {"server_errors": -1},
        {"times": 0},
    ],
)
def test_contradictions_are_refused_at_once(wrong):
    for script in (Server().then, SyncServer().then, lambda **given: ScriptedEngine().on("a.mp3", **given)):
        with pytest.raises(ValueError, match="="):
            script(**wrong)


@pytest.mark.parametrize("source", ["", b"", None, 7])
def test_a_source_that_is_none_is_refused(source):
    with pytest.raises(ValueError, match="a job is known by"):
        Server().on(source, text="a")


@pytest.mark.parametrize("made", [Server, SyncServer, ScriptedEngine])
def test_strict_and_a_default_exclude_each_other(made):
    with pytest.raises(ValueError, match="a strict server has no default"):
        made(strict=True, default="Good morning.")


@pytest.mark.looptime
async def test_ten_minutes_take_no_time_with_a_virtual_clock(nothing_left):
    begun = time.monotonic()
    loop = asyncio.get_running_loop()
    async with Server() as server, server.client() as client:
        server.on(URL, text="Good morning.", seconds=600)
        virtual = loop.time()
        assert await text_of(client, URL) == "Good morning."
        assert 600 <= loop.time() - virtual < 660
        with pytest.raises(WaitTimeout):
            await client.transcribe(URL, timeout=500)
        server.faults.script("GET", "/v2/transcript", faults.Delay(50))
        assert await text_of(client, URL) == "Good morning."
    assert time.monotonic() - begun < 10


async def test_an_answer_that_was_lost_is_looked_for_at_once(scripted, quick):
    scripted.faults.script("POST", "/v2/transcript", faults.Drop(faults.When.AFTER))
    begun = time.monotonic()
    await quick.transcribe(URL)
    assert len(scripted.records) == 1
    assert time.monotonic() - begun < 5


def test_without_a_loop_jobs_take_no_time():
    with SyncServer() as server, server.client() as client:
        server.on(URL, text="Good morning.", seconds=600)
        begun = time.monotonic()
        assert client.transcribe(URL).text == "Good morning."
        assert client.transcribe("https://recordings.test/a.mp3?words=2&seconds=600").text == "this is"
        assert time.monotonic() - begun < 5
        (first, _) = server.records
        assert (first.audio_url, first.status) == (URL, "completed")
        assert server.requests["POST /v2/transcript"] == 2
    assert len(server.records) == 2


def test_without_a_loop_jobs_take_their_time_where_that_is_wanted():
    with SyncServer(real_time=True) as server, server.client() as client:
        server.then(text="Good morning.", seconds=0.5)
        begun = time.monotonic()
        client.transcribe(URL)
        assert time.monotonic() - begun >= 0.5


def test_the_server_in_a_thread_is_scripted_before_it_runs_and_from_any_thread():
    server = SyncServer(limit=1)
    server.on(URL, text="Good morning.")
    with server, ThreadPoolExecutor(4) as threads, server.client() as client:
        list(threads.map(lambda n: server.on(f"{n}.mp3", text=f"call {n}"), range(20)))
        server.set_limit(5)
        server.faults.script("POST", "/v2/transcript", faults.Answer(400, "{}"))
        server.faults.clear()
        server.faults.plan(None)
        texts = threads.map(lambda n: client.transcribe(f"https://x.test/{n}.mp3").text, range(20))
        assert list(texts) == [f"call {n}" for n in range(20)]
        assert client.transcribe(URL).text == "Good morning."


# What users write, in processes of their own: their settings of pytest are not this project's.


def run(folder, *options, **modules):
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    # Blocked by the name of its entry point, for where it is installed: a plugin can be registered only once.
    plugin = ["-p", "asyncscribe_pytest", "-o", "asyncio_default_fixture_loop_scope=function"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *plugin],
        cwd=folder,
        env={**plain_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


def test_the_plugin_loads_nothing_until_a_fixture_is_used(tmp_path):
    shown = run(
        tmp_path,
        "--co",
        "-s",
        conftest="""
import sys

def pytest_unconfigure():
    print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules} & {"asyncscribe", "aiohttp"}), "end")
""",
        test_nothing="def test_nothing(): pass",
    )
    assert "1 test collected" in shown
    assert "loaded: end" in shown


def test_the_fixtures_of_tests_that_await(tmp_path):
    shown = run(
        tmp_path,
        test_one="""
import asyncio
import time
import pytest

pytestmark = pytest.mark.asyncio
URL = "https://recordings.test/call.mp3"


async def test_text(asyncscribe_server, asyncscribe_client):
    asyncscribe_server.on("call.mp3", text="Good morning.")
    assert (await asyncscribe_client.transcribe(URL)).text == "Good morning."


@pytest.mark.looptime
async def test_virtual_time(asyncscribe_server, asyncscribe_client):
    begun, virtual = time.monotonic(), asyncio.get_running_loop().time()
    asyncscribe_server.on("call.mp3", text="Good morning.", seconds=600)
    assert (await asyncscribe_client.transcribe(URL, timeout=700)).text == "Good morning."
    assert asyncio.get_running_loop().time() - virtual >= 600
    assert time.monotonic() - begun < 10
""",
    )
    assert "2 passed" in shown


@pytest.mark.parametrize("installed", [True, False])
def test_the_fixtures_of_tests_that_anyio_runs(tmp_path, installed):
    looptime = ("looptime_plugin", "looptime_chronometers", "looptime_timeproxies")
    hidden = [f"-pno:{name}" for name in ("asyncio", *looptime)] + ["-p", "hide"]
    shown = run(
        tmp_path,
        *([] if installed else hidden),
        hide="import sys\nsys.modules['pytest_asyncio'] = None",
        conftest="import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'",
        test_one="""
import pytest

@pytest.mark.anyio
async def test_text(asyncscribe_server, asyncscribe_client):
    asyncscribe_server.then(text="Good morning.")
    assert (await asyncscribe_client.transcribe("https://x.test/a.mp3", timeout=20)).text == "Good morning."
""",
    )
    assert "1 passed" in shown


def test_a_service_that_makes_its_own_client_finds_the_server(tmp_path):
    shown = run(
        tmp_path,
        test_one="""
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from asyncscribe import AsyncClient


@asynccontextmanager
async def lifespan(app):
    async with AsyncClient() as app.state.client:
        yield

async def endpoint(request):
    return JSONResponse({"text": (await request.app.state.client.transcribe(await request.body())).text})

def test_app(asyncscribe_environment):
    asyncscribe_environment.on(b"sound", text="Good morning.", seconds=60)
    with TestClient(Starlette(routes=[Route("/", endpoint, methods=["POST"])], lifespan=lifespan)) as http:
        assert http.post("/", content=b"sound").json() == {"text": "Good morning."}
""",
    )
    assert "1 passed" in shown


def test_the_tests_of_the_guide_pass(tmp_path):
    guide = (ROOT / "docs" / "guide.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    tests = [block for block in blocks if "def test_" in block]
    assert tests
    shown = run(tmp_path, "-o", "asyncio_mode=auto", **{f"test_{n}": block for n, block in enumerate(tests)})
    assert f"{sum(block.count('def test_') for block in tests)} passed" in shown

import time
from concurrent.futures import ThreadPoolExecutor

from asyncscribe.server import faults
from asyncscribe.testing import SyncServer
from tests.testing.conftest import URL


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

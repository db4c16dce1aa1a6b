"""What a task of a Ray cluster does; it needs no Ray."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from asyncscribe.batch.cluster import ray
from asyncscribe.batch.cluster.ray import Order, WorkerDied, work
from tests.support import KEY, ROOT

OPTIONS = ("--output", "out")


def order(*arguments, **environment):
    environment = {"PYTHONPATH": str(ROOT), "ASSEMBLYAI_API_KEY": KEY, **environment}
    return Order((*OPTIONS, *arguments), "{}", environment)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(ray, "PAUSE", 0.0)


def workers():
    """Its processes; other tests may have others."""
    return [one for one in psutil.Process().children() if "asyncscribe.batch.cluster.tether" in one.cmdline()]


def child():
    """The worker, once it runs."""
    while not (found := workers()):
        time.sleep(0.01)
    return found[0]


def test_a_mistake_is_an_end_with_what_was_said(capfd):
    ended = work(order("--no-such-option"), ["in"], "name")
    assert ended.code == 2
    assert "--no-such-option" in ended.said
    assert "--no-such-option" in capfd.readouterr().err


def test_a_journal_that_is_not_there_is_told_without_its_password():
    ended = work(order(ASYNCSCRIBE_JOURNAL="postgresql://user:pass-4711@127.0.0.1:9/none"), ["in"], "name")
    assert ended.code == 1
    assert "127.0.0.1/none" in ended.said
    assert "pass-4711" not in ended.said


def test_a_worker_that_is_killed_is_to_be_started_again(quick):
    thread = threading.Thread(target=lambda: child().kill())
    thread.start()
    with pytest.raises(WorkerDied):
        work(order(), ["in"], "name")
    thread.join()


def test_a_task_that_is_cancelled_ends_its_worker(monkeypatch):
    """Ray raises it in the main thread, between two instructions."""

    class Interrupted(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout == 1.0:
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(ray.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        work(order(), ["in"], "name")
    assert not workers()


def test_a_worker_ends_with_whoever_started_it(tmp_path):
    command = [sys.executable, "-m", "asyncscribe.batch.cluster.tether", "serve", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr.readline()
        process.stdin.close()
        assert process.wait(20) in {0, 130, -signal.SIGTERM}


def test_a_cluster_that_is_not_there_is_told_at_once(unused_tcp_port):
    for address in (f"127.0.0.1:{unused_tcp_port}", f"ray://127.0.0.1:{unused_tcp_port}"):
        with pytest.raises(OSError, match="refused"):
            ray._knock(address)
    ray._knock("auto")

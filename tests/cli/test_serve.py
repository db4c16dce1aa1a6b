import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.support import KEY, ROOT, recording

OPTIONS = "--port 0 --engine simulated --rate-limit 2 --rate-window 900 --list-lag 600".split()


@pytest.fixture
def url(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "asyncscribe", "serve", *OPTIONS],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        yield process.stderr.readline().split()[2]
        process.terminate()


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/v2/transcript", data, {"Authorization": KEY})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def test_the_command_serves_with_a_rate_limit_and_a_lagging_list(url):
    assert ask(url, {"audio_url": recording()})["id"]
    assert ask(url)["transcripts"] == []
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(url)
    with refused.value as answer:
        assert answer.code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 900


def test_sigterm_is_the_end_of_its_work_and_a_client_that_leaves_is_no_error(tmp_path):
    """L16: 130, and 30 lines of traceback for each uploader that had gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "asyncscribe", "serve", "--port", "0", "--engine", "simulated"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        url = urlsplit(process.stderr.readline().split()[2])
        for path, framing in [
            ("upload", "Content-Length: 100000\r\n\r\nabc"),
            ("upload", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            ("transcript", "Content-Length: 1000\r\n\r\nabc"),
        ]:
            with socket.create_connection((url.hostname, url.port)) as leaver:
                leaver.sendall(f"POST /v2/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: k\r\n{framing}".encode())
        assert ask(url.geturl(), {"audio_url": recording()})["id"]
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""

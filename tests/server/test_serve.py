import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

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

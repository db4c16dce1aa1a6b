"""`asyncscribe doctor`: a verdict a line."""

import pytest

from asyncscribe.server import faults
from tests.cli.test_commands import run, served  # noqa: F401 - a fixture
from tests.cli.test_transcripts import done, post  # noqa: F401 - a fixture
from tests.support import KEY, recording


def test_doctor_finds_nothing_wrong(done):  # noqa: F811
    result = run("doctor")
    assert result.exit_code == 0
    verdicts = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()}
    assert verdicts == {"address": "ok", "proxies": "ok", "key": "ok", "clock": "ok", "limit": "ok"}


def test_doctor_sees_the_queue_and_a_proxy(served, monkeypatch):  # noqa: F811
    for number in range(6):
        post(served, recording(str(number), seconds=60))
    monkeypatch.setenv("http_proxy", "http://user:pw@proxy.test:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = run("doctor")
    assert "2 jobs wait in the service's queue while 4 run: about 4" in result.stdout
    assert "NO_PROXY exempts this address" in result.stdout
    monkeypatch.delenv("no_proxy")
    result = run("doctor")
    assert "note  proxies   requests go through proxy.test" in result.stdout
    assert "pw" not in result.output


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"ASSEMBLYAI_API_KEY": ""}, "FAIL  key"),
        ({"ASSEMBLYAI_API_KEY": "wrong"}, "FAIL  key"),
        ({"ASSEMBLYAI_BASE_URL": "nowhere"}, "FAIL  address"),
        ({"ASSEMBLYAI_BASE_URL": "http://127.0.0.1:1"}, "FAIL  service"),
    ],
)
def test_doctor_names_what_is_wrong(served, monkeypatch, environment, what):  # noqa: F811
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run("doctor")
    assert result.exit_code == 1
    assert what in result.stdout
    assert "wrong" not in result.stdout.replace("FAIL", "")


def test_doctor_sees_a_wrong_clock(served):  # noqa: F811
    page = '{"transcripts": [], "page_details": {}}'
    for date, text in [("Thu, 01 Jan 2099 00:00:00 GMT", "behind"), ("Thu, 01 Jan 1998 00:00:00 GMT", "ahead of")]:
        served.faults.script("GET", "/v2/transcript", faults.Answer(200, page, {"Date": date}))
        result = run("doctor")
        assert result.exit_code == 1
        assert text in result.stdout


def test_doctor_says_where_the_service_tells_no_time(served):  # noqa: F811
    page = '{"transcripts": [], "page_details": {}}'
    served.faults.script("GET", "/v2/transcript", faults.Answer(200, page, {"Date": "soon"}))
    result = run("doctor")
    assert (result.exit_code, "note  clock     the service did not report its time" in result.stdout) == (0, True)


def test_doctor_tells_of_a_service_that_fails_and_stops_there(served):  # noqa: F811
    served.faults.script("GET", "/v2/transcript", *[faults.Answer(404, '{"error": "moved"}')] * 9)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("FAIL  service   GET /v2/transcript")


def test_doctor_submits_nothing_and_shows_no_key(served):  # noqa: F811
    assert KEY not in run("doctor").output
    assert not served.records

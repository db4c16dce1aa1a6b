"""What users write, in processes of their own: their settings of pytest are not this project's."""

import re
import subprocess
import sys

import pytest

from tests.support import ROOT, plain_environment


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

pytestmark = [pytest.mark.long, pytest.mark.asyncio]
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

"""The vendor's own Node SDK, unmodified, against the local server."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from asyncscribe.server import LocalServer
from tests.support import EXAMPLES, KEY

SCRIPT = Path(__file__).parent / "vendor_node.mjs"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("node")
    install = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "assemblyai"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if install.returncode:
        pytest.skip(f"the SDK can't be installed: {install.stderr[-300:]}")
    shutil.copy(SCRIPT, folder)
    return folder


@pytest.mark.timeout(120)
async def test_the_node_sdk_works_unmodified(sdk, nothing_left):
    async with LocalServer(api_key=KEY) as server:
        audio = EXAMPLES / "audio" / "weather.mp3"
        process = await asyncio.create_subprocess_exec(
            "node", SCRIPT.name, server.base_url, KEY, str(audio), cwd=sdk, stdout=-1, stderr=-1
        )
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    said = json.loads(stdout)
    assert said.pop("file").startswith("this is")
    assert said.pop("srt").startswith("1\n00:00")
    assert said.pop("sentences") >= 1
    assert said.pop("paragraphs") >= 1
    assert "Authentication error" in said.pop("refused")
    assert said == {
        "speakers": ["A", "B"],
        "status": "completed",
        "matches": 3,
        "error": "Transcoding failed",
        "page": 2,
        "older": 1,
        "redacted": "redacted_audio_ready",
        "deleted": "Deleted by user.",
    }

"""The local server with scripted outcomes, to test programs that use asyncscribe.

    async with Server() as server, server.client() as client:
        server.on("interview.mp3", text="Good morning.")
        assert (await client.transcribe("interview.mp3")).text == "Good morning."

`SyncServer` is the same for tests without an event loop. Fixtures for pytest come with the package:
`asyncscribe_server`, `asyncscribe_client`, `asyncscribe_sync_server` and `asyncscribe_environment`.
"""

from asyncscribe.testing.engine import ScriptedEngine
from asyncscribe.testing.schedules import QUICK
from asyncscribe.testing.scripts import Reply, Source, Text
from asyncscribe.testing.server import Server
from asyncscribe.testing.sync_server import SyncFaults, SyncServer

__all__ = ["QUICK", "Reply", "ScriptedEngine", "Server", "Source", "SyncFaults", "SyncServer", "Text"]

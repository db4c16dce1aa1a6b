"""The local server with scripted results."""

from __future__ import annotations

from typing import Any

from asyncscribe.client import AsyncClient
from asyncscribe.server.local import LocalServer
from asyncscribe.testing.engine import ScriptedEngine
from asyncscribe.testing.schedules import QUICK
from asyncscribe.testing.scripts import Reply, Rule, Scripted


class Server(LocalServer, Scripted):
    """A local server whose jobs have scripted results.

        async with Server() as server, server.client() as client:
            server.on("*/call-7.mp3", text=[("A", "Hello?"), ("B", "Good morning.")], seconds=30)

    Args:
        default: The result of jobs without a script: a reply, a text, or None for the simulated engine, whose jobs end
            at once unless their URL says otherwise.
        strict: Such jobs fail instead, with a text that names what is scripted.
        real_time: Whether jobs take their scripted time; otherwise all end at once.
        options: As for `LocalServer`, except its engine.

    Raises:
        ValueError: Both `default` and `strict` are given.
    """

    def __init__(
        self, *, default: Reply | str | None = None, strict: bool = False, real_time: bool = True, **options: Any
    ) -> None:
        self._scripted = ScriptedEngine(default=default, strict=strict, real_time=real_time)
        super().__init__(self._scripted, **options)

    def _script(self, rule: Rule) -> None:
        self._scripted._script(rule)  # noqa: SLF001 - one thing with its engine

    def client(self, **options: Any) -> AsyncClient:
        """A client of this server with quick schedules, not yet open.

        Args:
            options: As for `AsyncClient`.
        """
        return AsyncClient(self.api_key, self.base_url, **{**QUICK, **options})

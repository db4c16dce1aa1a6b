"""`asyncscribe serve`: the local server for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import anyio
import typer

from asyncscribe.cli.connection import require_engine
from asyncscribe.cli.exits import Exit, UserError, run, tell


class EngineName(StrEnum):
    """What `--engine` takes."""

    POCKETSPHINX = "pocketsphinx"
    SIMULATED = "simulated"


def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    engine: Annotated[
        EngineName, typer.Option("--engine", help="pocketsphinx listens (English), simulated invents by rule.")
    ] = EngineName.POCKETSPHINX,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Jobs that run at once; others are queued.")] = 5,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="ASSEMBLYAI_API_KEY",
            show_envvar=True,
            help="The only key that is accepted; without one, any is.",
        ),
    ] = None,
) -> None:
    """Serve the transcription API on this machine until Ctrl-C.

    Any client of the API works with it, for example: ASSEMBLYAI_API_KEY=any asyncscribe transcribe talk.mp3
    --base-url http://127.0.0.1:8000
    """
    run(lambda: _serve(port, host, engine, limit, api_key))


async def _serve(port: int, host: str, engine: EngineName, limit: int, api_key: str | None) -> Exit:
    from asyncscribe.server import LocalServer, PocketSphinxEngine, SimulatedEngine

    if engine is EngineName.POCKETSPHINX:
        require_engine()
    chosen = PocketSphinxEngine() if engine is EngineName.POCKETSPHINX else SimulatedEngine()
    try:
        async with LocalServer(chosen, limit=limit, api_key=api_key, host=host, port=port) as server:
            tell(f"serving on {server.base_url} with engine {engine.value}, {limit} jobs at once; Ctrl-C ends it")
            await anyio.sleep_forever()
    except OSError as error:
        raise UserError(f"can't listen on {host}:{port}: {error.strerror or error}", "try --port 0") from None
    return Exit.DONE

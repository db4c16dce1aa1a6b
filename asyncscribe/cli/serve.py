"""`asyncscribe serve`: the local server for people."""

from __future__ import annotations

import asyncio
import signal
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from asyncscribe.cli.connection import require_engine
from asyncscribe.cli.exits import Exit, UserError, echo_err, run

if TYPE_CHECKING:
    from asyncscribe.server import Engine


class EngineName(StrEnum):
    """What `--engine` takes."""

    POCKETSPHINX = "pocketsphinx"
    SIMULATED = "simulated"


def serve(
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    engine: Annotated[
        EngineName,
        typer.Option("--engine", help="pocketsphinx listens (English, no speakers), simulated makes texts up."),
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
    rate_limit: Annotated[
        int | None,
        typer.Option("--rate-limit", min=1, help="Requests in a window; above them 429. Default: any number."),
    ] = None,
    rate_window: Annotated[
        float, typer.Option("--rate-window", min=0.001, help="Seconds of the window of --rate-limit.")
    ] = 300.0,
    list_lag: Annotated[
        float, typer.Option("--list-lag", min=0, help="Seconds until a new transcript is in the list.")
    ] = 0.0,
) -> None:
    """Serve the transcription API on this machine until Ctrl-C or SIGTERM.

    Any client of the API works with it, for example: ASSEMBLYAI_API_KEY=any asyncscribe transcribe talk.mp3
    --base-url http://127.0.0.1:8000
    """

    async def listen() -> Exit:
        from asyncscribe.server import LocalServer, RateLimit

        rate = None if rate_limit is None else RateLimit(rate_limit, rate_window)
        server = LocalServer(
            _engine(engine), limit=limit, api_key=api_key, host=host, port=port, rate_limit=rate, list_lag=list_lag
        )
        try:
            async with server:
                echo_err(
                    f"serving on {server.base_url} with engine {engine.value}, {limit} jobs at once; Ctrl-C ends it"
                )
                await _until_terminated()
        except OSError as error:
            raise UserError(f"can't listen on {host}:{port}: {error.strerror or error}", "try --port 0") from None
        return Exit.DONE

    run(listen)


async def _until_terminated() -> None:
    """Wait for SIGTERM, which ends a server normally, not as an interruption."""
    terminated = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    await terminated.wait()


def _engine(name: EngineName) -> Engine:
    from asyncscribe.server import PocketSphinxEngine, SimulatedEngine

    if name is EngineName.SIMULATED:
        return SimulatedEngine()
    require_engine()
    return PocketSphinxEngine()

"""An endless worker: each line of JSON on stdin is a recording, each line on stdout its result.

tail -F queue.jsonl | python examples/worker/worker.py >> results.jsonl
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from asyncscribe import (
    AsyncClient,
    AsyncscribeError,
    ConfigurationError,
    NotOpen,
    Outcome,
    TranscriptionRequest,
    WaitInterrupted,
)

#: Jobs at AssemblyAI at once; unset: finds and follows the account's limit.
CONCURRENCY = os.environ.get("CONCURRENCY")
#: Seconds that jobs have to finish after a SIGTERM.
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "20"))
#: Seconds for a recording whose line has no `timeout`.
TIMEOUT = 6 * 3600.0
LONGEST_LINE = 1024 * 1024
#: A single thread, so that each line stays whole.
WRITER = ThreadPoolExecutor(max_workers=1)
NOT_BEGUN = "the worker ended before it began"

Item: TypeAlias = "dict[str, Any]"
Request: TypeAlias = "TranscriptionRequest[str, Item]"


class Worker:
    """Reads lines from stdin as slots become free, so that the rest stays with their writer."""

    def __init__(self, client: AsyncClient, lines: asyncio.StreamReader) -> None:
        self._client = client
        self._lines = lines
        self._ending: asyncio.Task[tuple[str, ...]] | None = None
        self._at_once: asyncio.Task[tuple[str, ...]] | None = None

    async def run(self) -> None:
        """Transcribe until stdin ends or a SIGTERM comes."""
        try:
            async for outcome in self._client.transcribe_many(self._requests()):
                await tell(result(outcome))
        except WaitInterrupted:
            # The stream reports that it is not complete. Each of its items had an outcome.
            pass
        if self._ending is not None:
            for transcript_id in await self._ending:
                print(f"goes on: {transcript_id}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Start nothing more, and let submitted jobs finish; called again, end at once."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._client.aclose(drain=DRAIN_SECONDS))
        else:
            self._at_once = asyncio.create_task(self._client.aclose())

    async def _requests(self) -> AsyncGenerator[Request, None]:
        async for line in self._lines:
            # Checked right before a job starts, so that every line either has an outcome or is given back.
            if self._ending is not None:
                await give_back(line)
            elif (request := await read(line)) is not None:
                yield request


async def read(line: bytes) -> Request | None:
    """The request of a line such as `{"source": "a.mp3", "config": {"language_code": "en"}, "timeout": 600, "id": 7}`.

    The whole line comes back with its result. An unreadable line is reported at once, and stops nothing.
    """
    item = parsed(line)
    try:
        timeout = float(item.get("timeout", TIMEOUT))
        return TranscriptionRequest(str(item["source"]), item.get("config"), timeout=timeout, metadata=item)
    except (AttributeError, KeyError, TypeError, ValueError, ConfigurationError) as error:
        await tell({"item": item, "error": f'not like {{"source": "path or URL", ...}}: {error}'})
    return None


async def give_back(line: bytes) -> None:
    """Report that a line is still pending, so that it can be queued again."""
    await tell({"item": parsed(line), "error": NOT_BEGUN})


def parsed(line: bytes) -> Any:
    """The content of a line; its text if that is not JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return line.decode(errors="replace").strip()


def result(outcome: Outcome[Request, Item]) -> dict[str, Any]:
    """The result of an item. An error with a `transcript_id` ended only the wait, or is AssemblyAI's."""
    told = {"item": outcome.request.metadata, "transcript_id": outcome.transcript_id}
    if outcome.transcript is None:
        error = NOT_BEGUN if isinstance(outcome.error, NotOpen) else str(outcome.error)
        return told | {"error": error}
    return told | {"text": outcome.transcript.text, "seconds": outcome.transcript.audio_duration}


async def tell(content: dict[str, Any]) -> None:
    """Write a line. In a thread: a slow reader slows the worker down, but must not block its event loop."""
    await asyncio.get_running_loop().run_in_executor(WRITER, _write, json.dumps(content) + "\n")


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


async def main() -> None:
    """Read, work, and give back the pending lines."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncClient(concurrency=int(CONCURRENCY) if CONCURRENCY else None) as client:
        worker = Worker(client, lines)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.end)
        await worker.run()
    # Lines that were read from the pipe, but not started.
    pipe.close()
    async for line in lines:
        await give_back(line)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except AsyncscribeError as error:
        sys.exit(f"error: {error}")

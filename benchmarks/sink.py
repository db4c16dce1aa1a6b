"""A server that takes uploads and throws them away, in a process of its own, so that it is no bottleneck."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

ANSWER = b'{"upload_url": "http://127.0.0.1/upload/1"}'
#: Bytes taken from the socket at once.
BUFFER = bytearray(1024 * 1024)


class _Sink(asyncio.BufferedProtocol):
    """Reads one request after the other into one buffer that is never looked at again."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _: int) -> bytearray:
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if not self._left:
            self._head += BUFFER[:nbytes]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            nbytes = len(self._head) - end - 4
            head, self._head = self._head[:end].lower(), bytearray()
            self._left = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if b"100-continue" in head:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._left -= nbytes
        if self._left <= 0:
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(ANSWER), ANSWER)
            )


def _serve(ready: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def sink() -> Iterator[str]:
    """The address of a running sink."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()

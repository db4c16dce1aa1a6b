"""How long a recording is, found out without decoding it. Uses PyAV; without it, nothing is known."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path


def can_probe() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


async def seconds_of(path: Path) -> float | None:
    """The length of a media file in seconds; None if that can't be told."""
    return await asyncio.get_running_loop().run_in_executor(None, _probe, path) if can_probe() else None


def _probe(path: Path) -> float | None:
    import av

    try:
        with av.open(str(path)) as container:
            if container.duration:
                return float(container.duration) / av.time_base
            for stream in container.streams.audio:
                if stream.duration and stream.time_base:
                    return float(stream.duration * stream.time_base)
    except (OSError, ValueError, IndexError):
        # Not media, or broken: the service will say so.
        return None
    return None

"""The length of a recording, measured without decoding it. Needs PyAV; without it, every length is unknown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Length:
    """How much audio is in a file.

    Attributes:
        seconds: From start to end.
        channels: Channels of its first audio stream; each is paid for if all are transcribed.
    """

    seconds: float
    channels: int = 1

    def billed(self, *, each_channel: bool | None) -> float:
        """Seconds that are paid for.

        Args:
            each_channel: Whether every channel is transcribed (`TranscriptionConfig.multichannel`).
        """
        return self.seconds * (self.channels if each_channel else 1)


def can_probe() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


async def length_of(path: Path) -> Length | None:
    """The length of a media file; None if unknown."""
    return await asyncio.get_running_loop().run_in_executor(None, _probe, path) if can_probe() else None


async def seconds_of(path: Path) -> float | None:
    """The seconds of a media file; None if unknown."""
    length = await length_of(path)
    return None if length is None else length.seconds


def _probe(path: Path) -> Length | None:
    import av

    try:
        with av.open(str(path)) as container:
            stream = next(iter(container.streams.audio), None)
            channels = stream.channels if stream is not None else 1
            if container.duration:
                return Length(float(container.duration) / av.time_base, channels)
            if stream is not None and stream.duration and stream.time_base:
                return Length(float(stream.duration * stream.time_base), channels)
    except (OSError, EOFError, ValueError, LookupError, av.FFmpegError):
        # Not media, or broken: the service will say so.
        return None
    return None

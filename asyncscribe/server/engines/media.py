"""Decodes any audio or video file to 16 kHz, 16 bit, mono samples with PyAV (FFmpeg)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error

from asyncscribe.server.engines.base import EngineError

SAMPLE_RATE = 16_000
BYTES_PER_SAMPLE = 2
BYTES_PER_MS = SAMPLE_RATE * BYTES_PER_SAMPLE // 1_000
#: The service refuses shorter audio (its documentation; older texts say 200).
SHORTEST_MS = 160


def channels(path: Path) -> int:
    """How many channels the audio has; 0 if there is no audio or the file can't be read."""
    try:
        with _open(path) as container:
            return int(container.streams.audio[0].layout.nb_channels) if container.streams.audio else 0
    except (av.error.FFmpegError, ValueError):
        return 0


def samples(path: Path, start_ms: int = 0, end_ms: int | None = None, channel: int | None = None) -> Iterator[bytes]:
    """Decode a file, piece by piece, from `start_ms` to `end_ms`: all channels mixed, or one (from 0).

    Raises:
        EngineError: The file is not media, has no audio, or can't be decoded; worded as the service words it.
    """
    first, last = start_ms * BYTES_PER_MS, None if end_ms is None else end_ms * BYTES_PER_MS
    position = 0
    for piece in _decode(path, channel):
        begin, position = position, position + len(piece)
        wanted = piece[max(first - begin, 0) : None if last is None else max(last - begin, 0)]
        if wanted:
            yield wanted
        if last is not None and position >= last:
            return


def _open(path: Path) -> av.container.InputContainer:
    try:
        # Tags may be in any encoding; older versions of PyAV fail on them without this argument.
        return av.open(str(path), metadata_errors="replace")
    except TypeError:
        # Newer versions have no such argument.
        return av.open(str(path))


def _decode(path: Path, channel: int | None) -> Iterator[bytes]:
    try:
        with _open(path) as container:
            if not container.streams.audio:
                raise EngineError(no_audio(path))
            # A planar format without a layout keeps the channels, each in its own plane.
            resampler = (
                av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
                if channel is None
                else av.AudioResampler(format="s16p", rate=SAMPLE_RATE)
            )
            for frame in _frames(container):
                yield from (_plane(part, channel or 0) for part in resampler.resample(frame))
            yield from (_plane(part, channel or 0) for part in resampler.resample(None))
    except av.error.InvalidDataError as error:
        raise EngineError(no_audio(path)) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise EngineError("Transcoding failed") from error


def _frames(container: av.container.InputContainer) -> Iterator[av.AudioFrame]:
    """The frames of the first track. Like players, skips what can't be decoded, unless that is everything."""
    some = False
    problem: av.error.InvalidDataError | None = None
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            problem = error
            continue
        some = some or bool(frames)
        yield from frames
    if problem is not None and not some:
        raise problem


def _plane(frame: av.AudioFrame, number: int) -> bytes:
    # A plane may be longer than its samples, for alignment.
    return bytes(frame.planes[number])[: frame.samples * BYTES_PER_SAMPLE]


def no_audio(path: Path) -> str:
    """The service's text for a file without audio, with its type guessed from the first bytes."""
    with path.open("rb") as file:
        mime, description = _type(file.read(512))
    return f"Transcoding failed. File does not appear to contain audio. File type is {mime} ({description})."


def _type(head: bytes) -> tuple[str, str]:
    signatures: tuple[tuple[bytes, str, str], ...] = (
        (b"\x89PNG", "image/png", "PNG image data"),
        (b"\xff\xd8\xff", "image/jpeg", "JPEG image data"),
        (b"%PDF", "application/pdf", "PDF document"),
        (b"PK\x03\x04", "application/zip", "Zip archive data"),
    )
    for signature, mime, description in signatures:
        if head.startswith(signature):
            return mime, description
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html", "HTML document"
    if head.lstrip()[:1] in {b"{", b"["}:
        return "application/json", "JSON text data"
    if head and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "text/plain", "ASCII text" if head.isascii() else "UTF-8 text"
    return "application/octet-stream", "data"

"""Transcribe all recordings of a folder and write an SRT beside each: `python examples/folder.py recordings/`."""

import asyncio
import sys
from pathlib import Path

from asyncscribe import AsyncClient, TranscriptionConfig


async def main(folder: Path) -> None:
    """Report each recording as it ends; a failure stops nothing."""
    config = TranscriptionConfig(language_code="en", punctuate=True)
    recordings = (path for path in sorted(folder.rglob("*")) if path.suffix in {".mp3", ".wav", ".flac", ".m4a"})
    async with AsyncClient(concurrency=5) as client:
        async for outcome in client.transcribe_many(recordings, config):
            if outcome.transcript is None:
                print(f"FAILED {outcome.source}: {outcome.error}", file=sys.stderr)
                continue
            outcome.source.with_suffix(".srt").write_text(outcome.transcript.to_srt(), encoding="utf-8")
            print(f"{outcome.source.name}: {outcome.elapsed:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python folder.py FOLDER")
    asyncio.run(main(Path(sys.argv[1])))

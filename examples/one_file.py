"""Transcribe one recording: `python examples/one_file.py talk.mp3` (a path or a URL)."""

import asyncio
import sys

from asyncscribe import AsyncClient, AsyncscribeError


async def main(source: str) -> None:
    """Print the text, then each word with its times in milliseconds."""
    async with AsyncClient() as client:
        transcript = await client.transcribe(source)
    print(transcript.text)
    for word in transcript.words:
        print(f"{word.start:>8} {word.end:>8}  {word.text}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python one_file.py FILE")
    try:
        asyncio.run(main(sys.argv[1]))
    except AsyncscribeError as error:
        sys.exit(f"error: {error}")

"""Random lives of a batch, against a model: whatever is edited, swapped, renamed, killed and run again, in the end
every output belongs to the present bytes and options of its recording, and nothing was paid twice.

`ASYNCSCRIBE_EXAMPLES` runs more of them.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncscribe import AsyncscribeError, Backoff, SubmissionPolicy, TranscriptionConfig
from asyncscribe.batch import Format, SqliteJournal
from asyncscribe.server import LocalServer, SimulatedEngine, faults
from tests.batch.crashing import Effects, run_batch
from tests.support import RETRY, open_client

EXAMPLES = int(os.environ.get("ASYNCSCRIBE_EXAMPLES", "200"))
NAMES = ("a.wav", "A.WAV", "b.mp3", "sub/a.wav", "sub/c.ogg")
FOLDERS = ("in", "moved")
FORMATS = ([Format.JSON], [Format.JSON, Format.SRT], [Format.SRT, Format.JSON, Format.TEXT])
FAULTS = {
    "none": None,
    "lost answer": ("POST", "/v2/transcript", faults.Drop(faults.When.AFTER)),
    "late": ("POST", "/v2/transcript", faults.Late(1.2)),
    "cut": ("POST", "/v2/upload", faults.CutBody()),
}

names = st.sampled_from(NAMES)
contents = st.integers(1, 4)
runs = st.fixed_dictionaries(
    {
        "sources": st.sampled_from(["folder", "files", "pattern", "sub", "twice"]),
        "formats": st.sampled_from(FORMATS),
        "speakers": st.booleans(),
        "crash_at": st.none() | st.integers(1, 90),
        "fault": st.sampled_from(sorted(FAULTS)),
    }
)
steps = st.one_of(
    st.tuples(st.just("write"), names, contents),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("swap"), names, names),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("move")),
    st.tuples(st.just("lose"), names),
    st.tuples(st.just("run"), runs),
    st.tuples(st.just("run"), runs),
)

#: What it runs is covered by other tests.
pytestmark = pytest.mark.long


class Life:
    """A folder of recordings, its batch, and the service."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDERS[0]
        self.write("b.mp3", 1)
        self.output = root / "out"
        self.server = LocalServer(SimulatedEngine(speed=1), limit=2)

    def write(self, name: str, content: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Each content has a length of its own, by which its transcript is known.
        path.write_bytes(bytes([content]) * 32_000 * content)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def swap(self, one: str, other: str) -> None:
        first, second = self.folder / one, self.folder / other
        if one != other and first.exists() and second.exists():
            first.rename(self.root / "aside")
            second.rename(first)
            (self.root / "aside").rename(second)

    def rename(self, one: str, other: str) -> None:
        if (self.folder / one).exists():
            (self.folder / other).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / one).rename(self.folder / other)

    def move(self) -> None:
        other = self.root / next(name for name in FOLDERS if name != self.folder.name)
        self.folder.rename(other)
        self.folder = other

    def lose(self, name: str) -> None:
        (self.output / f"{name}.json").unlink(missing_ok=True)

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    async def run(self, sources, formats, speakers, crash_at, fault):
        given = {
            "folder": [self.folder],
            "files": self.files()[::-1],
            "pattern": [self.folder / "*" / "*", self.folder / "*"],
            "sub": [self.folder / "sub"],
            "twice": [self.folder / "sub", self.folder],
        }[sources]
        self.server.faults.clear()
        if FAULTS[fault] is not None:
            method, path, action = FAULTS[fault]
            self.server.faults.script(method, path, action)
        options = {
            "concurrency": 2,
            "submission": SubmissionPolicy(lookups=(0.5, 2), quiet=5),
            "polling": Backoff(0.5, 1.5, 1, 0),
            "retry": RETRY,
        }
        effects = None if crash_at is None else Effects(crash_at)
        config = TranscriptionConfig(speaker_labels=True) if speakers else TranscriptionConfig()
        async with open_client(self.server, **options) as client, SqliteJournal(self.output) as journal:
            outcomes = await run_batch(
                client, self.output, journal, [str(one) for one in given], effects, formats=formats, config=config
            )
            entries = [entry async for entry in journal.all()]
        return outcomes, {entry.recording.identity: entry.recording.name for entry in entries}

    async def live(self, steps) -> None:
        async with self.server:
            for step, *arguments in steps:
                if step == "run":
                    with suppress(AsyncscribeError):
                        await self.run(**arguments[0])
                else:
                    getattr(self, step)(*arguments)
            last = {"sources": "folder", "formats": FORMATS[1], "speakers": True, "crash_at": None, "fault": "none"}
            outcomes, named = await self.run(**last)
            assert [outcome.error for outcome in outcomes if outcome.error] == []
            self.check(named)
            again, _ = await self.run(**last)
            assert again == []

    def check(self, named) -> None:
        for path in self.files():
            name = named[str(path)]
            document = json.loads((self.output / f"{name}.json").read_text())
            content = path.stat().st_size // 32_000
            assert document["audio_duration"] == content, f"{path} has the transcript of other bytes"
            assert document["speaker_labels"] is True
            assert (self.output / f"{name}.srt").is_file()
        assert len(set(named.values())) == len(named)
        paid = Counter(
            (record.document["audio_duration"], bool(record.document["speaker_labels"]))
            for record in self.server.records
            if record.status == "completed"
        )
        assert max(paid.values(), default=1) == 1, f"paid twice: {paid}"


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 200)
@given(st.lists(steps, min_size=2, max_size=10))
def test_a_batch_survives_whatever_life_brings(steps):
    root = Path(tempfile.mkdtemp())
    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(Life(root).live(steps), 100_000))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        shutil.rmtree(root)

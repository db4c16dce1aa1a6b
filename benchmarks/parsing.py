"""Reading a transcript of 100,000 words with utterances: time and memory, beside the vendor's SDK on the same bytes.

Each figure is taken in a process of its own, in turns. Time is the best of several rounds, as noise only adds. Memory
is what the process holds more, once the body was read and parsed and everything else let go.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WORDS = 100_000
WORDS_PER_UTTERANCE = 20

MEASURE = """
import gc, json, re, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
reader, touch, path = sys.argv[1], sys.argv[2] == "touched", sys.argv[3]
if reader == "asyncscribe":
    from asyncscribe import Transcript
    read = Transcript.model_validate_json
else:
    from assemblyai.types import TranscriptResponse
    read = lambda body: TranscriptResponse.model_validate(json.loads(body))

def once(body):
    transcript = read(body)
    if touch:
        assert sum(word.end - word.start + len(word.text) for word in transcript.words) > 0
    return transcript

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

gc.collect()
before = resident()
held = once(Path(path).read_bytes())
gc.collect()
memory = resident() - before
del held
body, times = Path(path).read_bytes(), []
for _ in range(5):
    gc.collect()
    begun = time.process_time()
    held = once(body)
    times.append(time.process_time() - begun)
    del held
print(json.dumps([min(times) * 1000, memory]))
"""


def document(words: int = WORDS) -> dict[str, Any]:
    """A completed transcript by two speakers, as the service answers it."""
    said = [
        {
            "text": f"word{number % 977}",
            "start": number * 300,
            "end": number * 300 + 250,
            "confidence": 0.9 + (number % 10) / 100,
            "speaker": "AB"[number // WORDS_PER_UTTERANCE % 2],
        }
        for number in range(words)
    ]
    turns = [said[start : start + WORDS_PER_UTTERANCE] for start in range(0, words, WORDS_PER_UTTERANCE)]
    return {
        "id": "9ea68fd3-f953-42c1-9742-976c447fb463",
        "status": "completed",
        "audio_url": "https://example.org/a.mp3",
        "text": " ".join(str(word["text"]) for word in said),
        "words": said,
        "utterances": [
            {
                "speaker": turn[0]["speaker"],
                "text": " ".join(str(word["text"]) for word in turn),
                "start": turn[0]["start"],
                "end": turn[-1]["end"],
                "confidence": 0.9,
                "words": turn,
            }
            for turn in turns
        ],
        "confidence": 0.9,
        "audio_duration": 36_000,
        "language_model": "assemblyai_default",
        "acoustic_model": "assemblyai_default",
        "webhook_auth": False,
        "auto_highlights": False,
        "redact_pii": False,
        "summarization": False,
    }


def _measure(reader: str, touched: str, path: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", MEASURE, reader, touched, str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    milliseconds, mebibytes = json.loads(output)
    return milliseconds, mebibytes


def run(*, rounds: int = 3, words: int = WORDS) -> dict[str, float | str]:
    """Measure and return the medians over the rounds."""
    result: dict[str, float | str] = {"scenario": f"reading {words} words with utterances, {rounds} rounds in turns"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transcript.json"
        path.write_text(json.dumps(document(words)))
        for touched in ("untouched", "touched"):
            taken = [[_measure(reader, touched, path) for reader in ("asyncscribe", "sdk")] for _ in range(rounds)]
            for position, reader in enumerate(("asyncscribe", "sdk")):
                result[f"{reader}_{touched}_milliseconds"] = round(statistics.median(t[position][0] for t in taken), 1)
                result[f"{reader}_{touched}_mebibytes"] = round(statistics.median(t[position][1] for t in taken), 1)
            times = [theirs[0] / ours[0] for ours, theirs in taken]
            memory = [ours[1] / theirs[1] for ours, theirs in taken]
            result[f"times_as_fast_as_the_sdk_{touched}"] = round(statistics.median(times), 1)
            result[f"memory_over_the_sdks_{touched}"] = round(statistics.median(memory), 2)
    return result

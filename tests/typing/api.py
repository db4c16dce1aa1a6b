"""What users write, read by type checkers and never run; see `test_typing.py`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from asyncscribe import (
    AsyncClient,
    Batch,
    Client,
    Config,
    CustomSpelling,
    Event,
    Failure,
    Job,
    LanguageDetectionOptions,
    Outcome,
    SignedOnDemand,
    Source,
    SpeakerOptions,
    Success,
    Transcript,
    TranscriptId,
    TranscriptionConfig,
    TranscriptionFailed,
    TranscriptionRequest,
    sync,
)


@dataclass
class Order:
    number: int


async def one(client: AsyncClient, source: Source, config: Config) -> Transcript:
    assert_type(await client.submit(source), Job)
    assert_type(await client.aclose(drain=20), tuple[TranscriptId, ...])
    return await client.transcribe(source, config, timeout=5)


def sources(path: Path, stream: AsyncIterator[bytes], file: SignedOnDemand) -> list[Source]:
    return [path, "a.mp3", b"abc", bytearray(b"abc"), memoryview(b"abc"), path.open("rb"), stream, file]


async def metadata_goes_through(client: AsyncClient, paths: list[Path]) -> int:
    requests = [TranscriptionRequest(path, {"speaker_labels": True}, metadata=Order(7)) for path in paths]
    total = 0
    async for outcome in client.transcribe_many(requests, {"punctuate": False}, timeout=60):
        assert_type(outcome.request.metadata, Order)
        assert_type(outcome.source, TranscriptionRequest[Path, Order])
        total += outcome.request.metadata.number
    return total


async def plain_sources(client: AsyncClient) -> None:
    async for outcome in client.transcribe_many(["a.mp3", "b.mp3"]):
        assert_type(outcome.source, str)
    mixed: list[Path | str] = [Path("a.mp3"), "https://a.test/b.mp3"]
    assert_type(client.transcribe_many(mixed), AsyncGenerator[Outcome[Path | str], None])


def by_truth(outcome: Outcome[str]) -> str | None:
    if outcome:
        return outcome.transcript.text
    return str(outcome.error.args)


def by_none(outcome: Outcome[str]) -> str | None:
    if outcome.transcript is None:
        raise outcome.error
    return outcome.transcript.text


def by_ok(outcome: Outcome[str]) -> str | None:
    if outcome.ok is True:
        return outcome.transcript.text
    raise outcome.error


def by_match(outcome: Outcome[str]) -> str | None:
    match outcome:
        case Success(transcript=transcript):
            return transcript.text
        case Failure(error=TranscriptionFailed() as error):
            return str(error.transcript.error)
        case Failure(error=error):
            raise error


def literals() -> list[TranscriptionConfig]:
    return [
        TranscriptionConfig(speech_models=["universal-2"], keyterms_prompt=["Alder"], language_codes=["en", "es"]),
        TranscriptionConfig(speaker_labels=True, speaker_options={"min_speakers_expected": 2}),
        TranscriptionConfig(speaker_labels=True, speaker_options=SpeakerOptions(max_speakers_expected=4)),
        TranscriptionConfig(
            language_detection=True,
            language_detection_options=LanguageDetectionOptions(expected_languages=["en", "de"]),
        ),
        TranscriptionConfig(custom_spelling=[{"from": ["k8s"], "to": "Kubernetes"}]),
        TranscriptionConfig(custom_spelling=[CustomSpelling.model_validate({"from": ["k8s"], "to": "Kubernetes"})]),
        TranscriptionConfig(redact_pii=True, redact_pii_policies=["person_name"], redact_static_entities={"A": ["b"]}),
    ]


def built(context: ssl.SSLContext) -> AsyncClient:
    def on_event(event: Event) -> None:
        assert_type(event, Event)

    return AsyncClient(on_event=on_event, ssl_context=context, headers={"X-A": "b"}, proxy="http://proxy.test:3128")


async def batch(client: AsyncClient) -> int:
    done = 0
    async with Batch(client, "out") as running:
        async for outcome in running.run(["recordings"]):
            done += outcome.error is None
    return done


def script() -> str | None:
    with Client() as client:
        assert_type(client.start("a.mp3"), sync.Job)
        for outcome in client.transcribe_many([TranscriptionRequest("a.mp3", metadata=3)]):
            assert_type(outcome.request.metadata, int)
        return client.transcribe("a.mp3").text

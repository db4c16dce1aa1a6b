"""Waiting for jobs: looks at the service on a backing-off schedule until a job has ended."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import anyio

from asyncscribe import protocol
from asyncscribe.errors import ServiceError, WaitInterrupted
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.policies.backoff import Backoff, Random
from asyncscribe.policies.limits import Look
from asyncscribe.transport import Transport

_log = logging.getLogger("asyncscribe")

#: Looks in a row that may fail (each after the transport's own retries) before a wait is given up. With the default
#: schedules that is an outage of several minutes.
PATIENCE = 10


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """The watched jobs at one moment.

    Attributes:
        watched: Jobs that are waited for.
        processing: Of those, seen running.
        queued: Of those, found still waiting at the service when looked at again: the rate-limit signal.
        looks: Looks so far.
        queued_looks: Looks so far that found a job still waiting.
    """

    watched: int
    processing: int
    queued: int
    looks: int
    queued_looks: int


#: Takes what a look showed, as evidence for the limit.
Observe = Callable[[Look], None]


class Watcher:
    """Asks for jobs until they have ended.

    Args:
        transport: Sends.
        polling: Delays between the looks at one job.
        observe: Told after each look how many jobs run and how many are queued.
        rng: Gives numbers in [0, 1), for the jitter.
    """

    def __init__(
        self,
        transport: Transport,
        polling: Backoff,
        observe: Observe | None = None,
        rng: Random = random.random,
    ) -> None:
        self._transport = transport
        self._polling = polling
        self._observe = observe
        self._rng = rng
        self._seen: Counter[str | None] = Counter()
        self._looks = self._queued_looks = 0

    def statistics(self) -> WatcherStatistics:
        """The present counts."""
        return WatcherStatistics(
            watched=self._seen.total(),
            processing=self._seen[TranscriptStatus.PROCESSING],
            queued=self._seen[TranscriptStatus.QUEUED],
            looks=self._looks,
            queued_looks=self._queued_looks,
        )

    async def look(self, transcript_id: TranscriptId) -> Transcript:
        """The transcript in its present state.

        Raises:
            NotFound: There is no such transcript.
            ServiceError: It could not be asked for.
        """
        return await self._transport.send(protocol.get_transcript(transcript_id), read=protocol.read_transcript)

    async def wait(
        self,
        transcript_id: TranscriptId,
        *,
        new: bool = False,
        on_look: Callable[[Transcript], None] | None = None,
    ) -> Transcript:
        """Wait until the job has ended and return its transcript, completed or failed.

        Failing requests only stretch the wait; the job does not suffer from them.

        Args:
            transcript_id: The job.
            new: It was submitted just now, so the first look comes after the first delay instead of at once.
            on_look: Called with what each look shows.

        Raises:
            APIError: There is no such transcript, or the key was refused; the error names the id.
            WaitInterrupted: The service could not be asked for too long; the job goes on.
        """
        failures = 0
        with self._watch() as note:
            for delay in chain([] if new else [0.0], self._polling.delays(self._rng)):
                await anyio.sleep(delay)
                try:
                    transcript = await self.look(transcript_id)
                except ServiceError as error:
                    if not error.transient:
                        raise
                    failures += 1
                    if failures >= PATIENCE:
                        raise WaitInterrupted(f"the service could not be asked ({error})", transcript_id) from error
                    _log.info("a look at %s failed: %s", transcript_id, error)
                    continue
                failures = 0
                note(transcript.status)
                if on_look is not None:
                    on_look(transcript)
                if transcript.is_final:
                    return transcript
        raise AssertionError("the schedule has no end")

    @contextmanager
    def _watch(self) -> Iterator[Callable[[str], None]]:
        last: str | None = None
        self._seen[last] += 1

        def note(status: str) -> None:
            nonlocal last
            self._looks += 1
            self._queued_looks += status == TranscriptStatus.QUEUED
            self._seen[last] -= 1
            self._seen[status] += 1
            last = status
            if self._observe is not None:
                processing, queued = self._seen[TranscriptStatus.PROCESSING], self._seen[TranscriptStatus.QUEUED]
                self._observe(Look(anyio.current_time(), processing, queued))

        try:
            yield note
        finally:
            self._seen[last] -= 1

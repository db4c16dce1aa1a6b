"""`Client`: what `AsyncClient` does, for scripts and notebooks that do not await."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import aiohttp

from asyncscribe.api.protocol import LONGEST_PAGE
from asyncscribe.api.transcripts import RedactedAudio
from asyncscribe.client import POLLING, UPLOADS, AsyncClient, ClientStatistics
from asyncscribe.engine import handle
from asyncscribe.engine.pipeline import Sources
from asyncscribe.events import EventHandler
from asyncscribe.lifecycle import JobState
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.pages import ListItem
from asyncscribe.models.results import Match, Passage
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus, UploadUrl
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import Limit
from asyncscribe.policies.request_rate import HttpBudget
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.portal import Portal
from asyncscribe.requests import Config, Outcome, TranscriptionRequest
from asyncscribe.settings import Timeouts
from asyncscribe.sources import Source

__all__ = ["Client", "Job"]

R = TypeVar("R")
S = TypeVar("S", bound=Source)
M = TypeVar("M")


class Job:
    """A handle on one job, like `asyncscribe.Job`; it can be asked from any thread."""

    __slots__ = ("_job", "_portal")

    def __init__(self, job: handle.Job, portal: Portal) -> None:
        self._job = job
        self._portal = portal

    def __repr__(self) -> str:
        return repr(self._job)

    @property
    def number(self) -> int:
        """See `asyncscribe.Job.number`."""
        return self._job.number

    @property
    def request(self) -> TranscriptionRequest[Source]:
        """See `asyncscribe.Job.request`."""
        return self._job.request

    @property
    def name(self) -> str:
        """See `asyncscribe.Job.name`."""
        return self._job.name

    @property
    def config(self) -> TranscriptionConfig:
        """See `asyncscribe.Job.config`."""
        return self._job.config

    @property
    def priority(self) -> int:
        """See `asyncscribe.Job.priority`."""
        return self._job.priority

    @property
    def state(self) -> JobState:
        """See `asyncscribe.Job.state`."""
        return self._job.state

    @property
    def id(self) -> TranscriptId | None:
        """See `asyncscribe.Job.id`."""
        return self._job.id

    @property
    def ids(self) -> tuple[TranscriptId, ...]:
        """See `asyncscribe.Job.ids`."""
        return self._job.ids

    @property
    def submissions(self) -> int:
        """See `asyncscribe.Job.submissions`."""
        return self._job.submissions

    @property
    def audio_url(self) -> str | None:
        """See `asyncscribe.Job.audio_url`."""
        return self._job.audio_url

    @property
    def transcript(self) -> Transcript | None:
        """See `asyncscribe.Job.transcript`."""
        return self._job.transcript

    @property
    def error(self) -> Exception | None:
        """See `asyncscribe.Job.error`."""
        return self._job.error

    def cancel(self) -> None:
        """See `asyncscribe.Job.cancel`."""
        self._portal.call(self._job.cancel)

    def submitted(self) -> TranscriptId:
        """See `asyncscribe.Job.submitted`."""
        return self._portal.wait(self._job.submitted)

    def wait(self, timeout: float | None = None) -> Transcript:
        """See `asyncscribe.Job.wait`."""
        return self._portal.wait(self._job.wait, timeout)


class Client:
    """`AsyncClient` for scripts and notebooks: the same arguments and methods, which wait instead of being awaited.

        with Client() as client:
            transcript = client.transcribe("interview.mp3")

    The work is done by an event loop in a thread of its own, which starts and ends with the context; so it works where
    an event loop runs already, as in a notebook's cells (which it blocks while it waits), and can be shared by threads.
    That thread also calls what is passed in: handlers of events, `progress`, signers, and it reads iterables of sources
    and files. They must not block for long and can't wait for this client; `start`, `hint`, `stats` and `Job.cancel`
    they may use.

    Ctrl-C ends what is waited for like a cancelled task: a submission that is under way is brought to its end, and
    named in the log, before the context is left.

    Args:
        api_key: See `AsyncClient` for all of them.
        base_url: Where the service is.
        concurrency: Jobs at the service at once.
        polling: Delays between status checks of a job.
        uploads: Uploads at once.
        retry: Which failed request is sent again.
        resubmission: Which failed job is submitted again.
        submission: How a submission whose answer was lost is looked for.
        budget: How many requests are sent in a time.
        timeouts: When a silent connection is given up.
        on_event: Called with every event, on the event loop's thread.
        trust_env: Use the proxies named in the environment.
        allow_http: Allow an unencrypted address that is not this machine.
        proxy: A proxy for all requests.
        ssl_context: Which certificates are trusted.
        session: A session of yours; it belongs to one event loop, so a client like this one rarely can use it.
        headers: Sent with every request to the service.
        spool: Bytes of each async iterable that are kept on disk while it is uploaded.

    Raises:
        MissingApiKey: There is no key anywhere.
        ConfigurationError: A setting is not allowed.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        concurrency: int | Limit | None = None,
        polling: Backoff = POLLING,
        uploads: int = UPLOADS,
        retry: RetryPolicy | None = None,
        resubmission: ResubmissionPolicy | int | None = None,
        submission: SubmissionPolicy | None = None,
        budget: HttpBudget | None = None,
        timeouts: Timeouts | None = None,
        on_event: EventHandler | None = None,
        trust_env: bool = False,
        allow_http: bool = False,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        spool: int = 0,
    ) -> None:
        self._client = AsyncClient(
            api_key,
            base_url,
            concurrency=concurrency,
            polling=polling,
            uploads=uploads,
            retry=retry,
            resubmission=resubmission,
            submission=submission,
            budget=budget,
            timeouts=timeouts,
            on_event=on_event,
            trust_env=trust_env,
            allow_http=allow_http,
            proxy=proxy,
            ssl_context=ssl_context,
            session=session,
            headers=headers,
            spool=spool,
        )
        self._portal = Portal()
        self.base_url = self._client.base_url

    def __repr__(self) -> str:
        return repr(self._client).replace("<AsyncClient", "<Client", 1)

    def __enter__(self) -> Self:
        self._portal.open(self._client.__aenter__)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self, drain: float = 0.0) -> tuple[TranscriptId, ...]:
        """See `AsyncClient.aclose`. A callback can't close the client that called it; Ctrl-C ends the drain."""
        at_once = self._client.aclose if drain else None
        return self._portal.close(partial(self._client.aclose, drain), at_once) or ()

    def key_digest(self, salt: str) -> str:
        """See `AsyncClient.key_digest`."""
        return self._client.key_digest(salt)

    def share_allowance(self, clients: int) -> None:
        """See `AsyncClient.share_allowance`."""
        self._portal.call(self._client.share_allowance, clients)

    @property
    def stats(self) -> ClientStatistics:
        """See `AsyncClient.stats`."""
        return self._portal.call(lambda: self._client.stats)

    def listening(self, handler: EventHandler) -> AbstractContextManager[None]:
        """See `AsyncClient.listening`. The handler is called on the event loop's thread."""
        return self._client.listening(handler)

    def upload(self, source: Source, *, priority: int = 0, progress: Callable[[int], None] | None = None) -> UploadUrl:
        """See `AsyncClient.upload`. The progress is told on the event loop's thread."""
        return self._portal.wait(self._client.upload, source, priority=priority, progress=progress)

    def start(
        self,
        source: Source | TranscriptionRequest,
        config: Config = None,
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Job:
        """See `AsyncClient.start`."""
        job = self._portal.call(self._client.start, source, config, priority=priority, timeout=timeout)
        return Job(job, self._portal)

    def submit(self, source: Source | TranscriptionRequest, config: Config = None, *, priority: int = 0) -> Job:
        """See `AsyncClient.submit`."""
        return Job(self._portal.wait(self._client.submit, source, config, priority=priority), self._portal)

    def wait(self, job: Job | str, timeout: float | None = None) -> Transcript:
        """See `AsyncClient.wait`."""
        if isinstance(job, Job):
            return job.wait(timeout)
        return self._portal.wait(self._client.wait, job, timeout)

    def transcribe(
        self,
        source: Source | TranscriptionRequest,
        config: Config = None,
        timeout: float | None = None,
        *,
        priority: int = 0,
    ) -> Transcript:
        """See `AsyncClient.transcribe`."""
        return self._portal.wait(self._client.transcribe, source, config, timeout, priority=priority)

    @overload
    def transcribe_many(
        self,
        sources: Sources[TranscriptionRequest[S, M]],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Generator[Outcome[TranscriptionRequest[S, M], M], None, None]: ...

    @overload
    def transcribe_many(
        self,
        sources: Sources[R],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Generator[Outcome[R], None, None]: ...

    def transcribe_many(
        self,
        sources: Sources[Any],
        config: Config = None,
        *,
        ordered: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Generator[Outcome[Any], None, None]:
        """See `AsyncClient.transcribe_many`. The sources are read on the event loop's thread."""
        return self._portal.each(
            self._client.transcribe_many(sources, config, ordered=ordered, priority=priority, timeout=timeout)
        )

    def hint(self, transcript_id: str) -> None:
        """See `AsyncClient.hint`."""
        self._portal.call(self._client.hint, transcript_id)

    def get(self, transcript_id: str) -> Transcript:
        """See `AsyncClient.get`."""
        return self._portal.wait(self._client.get, transcript_id)

    def list(
        self,
        *,
        status: str | None = None,
        created_on: date | None = None,
        before_id: str | None = None,
        after_id: str | None = None,
        throttled_only: bool = False,
        page_size: int = LONGEST_PAGE,
    ) -> Generator[ListItem, None, None]:
        """See `AsyncClient.list`."""
        return self._portal.each(
            self._client.list(
                status=status,
                created_on=created_on,
                before_id=before_id,
                after_id=after_id,
                throttled_only=throttled_only,
                page_size=page_size,
            )
        )

    def iter_transcripts(
        self, *, status: str | None = TranscriptStatus.COMPLETED, created_on: date | None = None
    ) -> Generator[Transcript, None, None]:
        """See `AsyncClient.iter_transcripts`."""
        return self._portal.each(self._client.iter_transcripts(status=status, created_on=created_on))

    def delete(self, transcript_id: str) -> Transcript:
        """See `AsyncClient.delete`."""
        return self._portal.wait(self._client.delete, transcript_id)

    def sentences(self, transcript_id: str) -> tuple[Passage, ...]:
        """See `AsyncClient.sentences`."""
        return self._portal.wait(self._client.sentences, transcript_id)

    def paragraphs(self, transcript_id: str) -> tuple[Passage, ...]:
        """See `AsyncClient.paragraphs`."""
        return self._portal.wait(self._client.paragraphs, transcript_id)

    def subtitles(self, transcript_id: str, format: str = "srt", chars_per_caption: int | None = None) -> str:  # noqa: A002
        """See `AsyncClient.subtitles`."""
        return self._portal.wait(self._client.subtitles, transcript_id, format, chars_per_caption)

    def search(self, transcript_id: str, words: Sequence[str]) -> tuple[Match, ...]:
        """See `AsyncClient.search`."""
        return self._portal.wait(self._client.search, transcript_id, words)

    def redacted_audio(self, transcript_id: str, timeout: float | None = None) -> RedactedAudio:
        """See `AsyncClient.redacted_audio`."""
        return self._portal.wait(self._client.redacted_audio, transcript_id, timeout)

    def download_redacted_audio(
        self, transcript_id: str, path: str | os.PathLike[str], timeout: float | None = None
    ) -> Path:
        """See `AsyncClient.download_redacted_audio`."""
        return self._portal.wait(self._client.download_redacted_audio, transcript_id, path, timeout)

"""One paid POST per job, whatever the network does.

The API has no idempotency key, so a submission whose answer was lost must not simply be repeated: it may have made a
job, and a second one would be paid too. A failed submission is one of three kinds:

1. It never left this machine, or
2. its answer proves that it was refused: the transport repeats it, or the error is raised.
3. Anything else is in doubt. The account's newest transcripts are searched for one with the same audio URL that was
   created since the attempt, does not contradict the options that were sent, and belongs to no other job here. A slow
   server may make the job late, and the list may lag; so lookups are repeated at growing gaps, and the submission is
   sent again only after a quiet time and one last lookup.

Submissions of the same URL are hard to tell apart in the list. So while one of them is in doubt, no other is sent,
those under way are awaited first, and doubts are settled one at a time.

Requests that may make a paid job, and lookups that settle a doubt, run in shielded sections. Only closing the client
cuts them off, after a grace period.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, repeat

import anyio

from asyncscribe.api import protocol
from asyncscribe.api.protocol import Created
from asyncscribe.api.transport import Transport
from asyncscribe.engine.lookup import Moment, SubmissionLookup
from asyncscribe.engine.tasks import Tasks
from asyncscribe.errors import APIError, ConnectFailed, ConnectionLost, NotOpen, ServiceError, SubmissionInDoubt
from asyncscribe.logs import log
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.adoption import contradiction
from asyncscribe.policies.request_rate import Lane
from asyncscribe.policies.submission import SubmissionPolicy

#: Own ids that are remembered, so that an older job of the same URL is not mistaken for a lost one (about 1 MB).
REMEMBERED_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service has the job.

    Attributes:
        id: Its id there.
        status: The status that the service reported.
        found: Whether the answer was lost and the job was found in the list.
    """

    id: TranscriptId
    status: str
    found: bool = False


def _ignore(accepted: Accepted) -> None:
    """Do nothing."""


def _always() -> bool:
    return True


def _permit() -> None:
    """Everything is permitted."""


@dataclass(slots=True)
class Submission:
    """What to submit, and whether it may have been submitted already.

    Attributes:
        audio_url: An upload URL, or one that the service can fetch.
        config: What to do with it.
        priority: Its rank among the submissions that wait.
        keep: Called with the job as soon as it is known: nothing is awaited between the answer and this call.
        permit: Called at the last moment before a request for it is written; an exception stops the request.
        is_wanted: Whether anybody still waits for it; if not, a doubt is still settled, but nothing is sent again.
        may_exist: Whether a request that was sent may have made a job whose id is unknown.
        began: When the first request was sent, seconds of the loop's clock; None before.
    """

    audio_url: str
    config: TranscriptionConfig
    priority: int = 0
    keep: Callable[[Accepted], None] = _ignore
    is_wanted: Callable[[], bool] = _always
    permit: Callable[[], None] = _permit
    may_exist: bool = False
    began: float | None = None


@dataclass(slots=True)
class _Url:
    """The submissions of one URL that are under way."""

    users: int = 0
    sending: int = 0
    in_doubt: int = 0
    settling: anyio.Lock = field(default_factory=anyio.Lock)
    #: Set whenever a count falls, and then replaced.
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.changed.wait()


@dataclass(slots=True)
class _Attempt:
    """The custody of one submission's requests; see `api.connection.Custody`."""

    submission: Submission
    tasks: Tasks
    keep: Callable[[Submission, Accepted], Accepted]
    accepted: Accepted | None = None

    def shielded(self) -> AbstractContextManager[object]:
        return self.tasks.shielded()

    async def leaving(self) -> None:
        if not self.tasks.is_accepting:
            # The client is being closed: nothing new is submitted.
            raise NotOpen

    def permit(self) -> None:
        self.submission.permit()
        if self.submission.began is None:
            self.submission.began = asyncio.get_running_loop().time()
        self.submission.may_exist = True

    def answered(self, answer: Created) -> None:
        self.accepted = self.keep(self.submission, Accepted(answer.id, _status(answer)))

    def failed(self, error: ServiceError) -> None:
        self.submission.may_exist = error.may_have_acted

    def cut_off(self, request: str) -> ServiceError:
        kind = ConnectionLost if self.submission.may_exist else ConnectFailed
        return kind(request, "it was cut off by the end of the client")


class Submitter:
    """Submits jobs so that none is paid twice.

    Args:
        transport: Sends.
        tasks: Shields what must not be cut off.
        policy: How long a submission in doubt is looked for.
    """

    def __init__(self, transport: Transport, tasks: Tasks, policy: SubmissionPolicy | None = None) -> None:
        self._transport = transport
        self._tasks = tasks
        self._policy = policy or SubmissionPolicy()
        self._lookup = SubmissionLookup(transport)
        self._urls: dict[str, _Url] = {}
        self._own: OrderedDict[TranscriptId, None] = OrderedDict()

    @property
    def in_doubt(self) -> int:
        """Submissions that may have made a job whose id is not known yet."""
        return sum(url.in_doubt for url in self._urls.values())

    def knows(self, ids: Iterable[TranscriptId]) -> None:
        """These jobs are accounted for: none of them is the one that a submission in doubt made."""
        for transcript_id in ids:
            self._remember(transcript_id)

    async def service_time(self) -> datetime | None:
        """The service's present time, UTC; requested if no answer has shown it yet.

        Raises:
            TransportError: The service can't be reached.
        """
        if not self._transport.clock.is_known:
            # Any answer carries the time.
            with suppress(APIError):
                await self._transport.send(protocol.list_transcripts(limit=1))
        return self._transport.clock.at(asyncio.get_running_loop().time())

    async def find(
        self,
        audio_url: str,
        config: TranscriptionConfig,
        since: datetime,
        keep: Callable[[Accepted], None] = _ignore,
        *,
        idle: float | None = None,
    ) -> Accepted | None:
        """Look for the job of a submission that an earlier process began and whose outcome is unknown.

        The first lookup is immediate. If it finds nothing, lookups go on for the whole quiet time, because the service
        may make or list the job late and it is unknown when the earlier process ended. If the submission began long ago
        (`SubmissionPolicy.settled`), one lookup decides.

        Args:
            audio_url: The URL that was submitted.
            config: The options that were sent.
            since: When the submission began, in the service's time.
            keep: Called with the job as soon as it is known.
            idle: Seconds for which the earlier process can't have sent anything, if less than the time since then: it
                may have been suspended in between.

        Returns:
            The job; None when it is certain enough that there is none.

        Raises:
            SubmissionInDoubt: The service could not be asked.
        """
        submission = Submission(audio_url, config, keep=keep, may_exist=True)
        async with self._using(audio_url) as url:
            url.in_doubt += 1
            now = await self.service_time()
            passed = None if now is None else (now - since).total_seconds()
            long_ago = passed is not None and min(passed, passed if idle is None else idle) > self._policy.settled
            gaps = [0.0] if long_ago else [0.0, *self._policy.gaps()]
            return await self._settle(submission, url, lambda: since, "an earlier run ended while it was sent", gaps)

    async def submit(self, submission: Submission) -> Accepted:
        """Have a URL transcribed and return the job's id.

        Raises:
            SubmissionInDoubt: The job may exist, but could not be found.
            ServiceError: The submission was refused, never left this machine, or certainly made no job.
        """
        async with self._using(submission.audio_url) as url:
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await self._send(submission, url)
                except ServiceError as error:
                    if not submission.may_exist:
                        raise
                    problem = error
                log.warning("%s; looking whether the job exists (attempt %d)", problem, attempt)
                since = self._lookup.moment(submission.began or 0.0)
                settled = False
                with self._tasks.shielded():
                    found = await self._settle(submission, url, since, problem, [*self._policy.gaps()])
                    settled = True
                    if found is not None:
                        return found
                if not settled:
                    # Cut off by closing the client.
                    raise SubmissionInDoubt(submission.audio_url, str(problem)) from problem
                if attempt >= self._policy.attempts or not submission.is_wanted():
                    # No lookup found a job, so the service does not take the submission.
                    raise problem

    @asynccontextmanager
    async def _using(self, audio_url: str) -> AsyncIterator[_Url]:
        url = self._urls.setdefault(audio_url, _Url())
        url.users += 1
        try:
            yield url
        finally:
            url.users -= 1
            if not url.users:
                del self._urls[audio_url]

    async def _send(self, submission: Submission, url: _Url) -> Accepted:
        await url.until(lambda: not url.in_doubt)
        attempt = _Attempt(submission, self._tasks, self._accepted)
        url.sending += 1
        try:
            await self._transport.send(
                protocol.create_transcript(submission.audio_url, submission.config),
                lane=Lane.SUBMISSIONS,
                priority=submission.priority,
                custody=attempt,
            )
        except ServiceError:
            if attempt.accepted is None:
                # Counted before `sending` is decremented, so that no other submission slips in between.
                url.in_doubt += submission.may_exist
                raise
        finally:
            url.sending -= 1
            url.tell()
        assert attempt.accepted is not None  # noqa: S101 - tells the type checker what an answer without error means
        return attempt.accepted

    def _accepted(self, submission: Submission, accepted: Accepted) -> Accepted:
        submission.may_exist = False
        self._remember(accepted.id)
        submission.keep(accepted)
        return accepted

    def forget(self, transcript_id: TranscriptId) -> None:
        """Have a job found by lookups again: it could not be kept that it is this client's."""
        self._own.pop(transcript_id, None)

    def _remember(self, transcript_id: TranscriptId) -> None:
        self._own[transcript_id] = None
        if len(self._own) > REMEMBERED_IDS:
            self._own.popitem(last=False)

    async def _settle(
        self, submission: Submission, url: _Url, since: Moment, problem: ServiceError | str, gaps: Sequence[float]
    ) -> Accepted | None:
        """Look for the job of a submission in doubt; None when it is certain enough that there is none.

        Raises:
            SubmissionInDoubt: The service could not be reached for too long, or the client was closed.
        """
        try:
            async with url.settling:
                await url.until(lambda: not url.sending)
                waited = 0.0
                # While the list is unavailable, it is requested again and again.
                for looks, gap in enumerate(chain(gaps, repeat(self._policy.again)), start=1):
                    closing = await self._tasks.sleep(gap)
                    waited += gap
                    try:
                        item = await self._look(submission, since)
                    except ServiceError as error:
                        log.info("looking for a submission in doubt failed: %s", error)
                        if closing or waited >= self._policy.patience:
                            raise SubmissionInDoubt(submission.audio_url, f"{problem}; {error}") from error
                        continue
                    if item is not None:
                        return self._accepted(submission, Accepted(item.id, item.status, found=True))
                    if looks >= len(gaps):
                        break
                    if closing:
                        raise SubmissionInDoubt(submission.audio_url, f"{problem}; the client was closed")
                submission.may_exist = False
                return None
        finally:
            url.in_doubt -= 1
            url.tell()

    async def _look(self, submission: Submission, since: Moment) -> ListItem | None:
        """The job of this submission, among those of its URL that no other job here is known to own."""
        sent = submission.config.to_wire()
        for item in await self._lookup.find(submission.audio_url, since):
            if item.id in self._own:
                continue
            transcript = await self._transport.send(protocol.get_transcript(item.id))
            difference = contradiction(sent, transcript.document)
            if difference is None and item.id not in self._own:
                return item
            log.info("transcript %s has the URL of a submission in doubt, and another %s", item.id, difference)
        return None


def _status(created: Created) -> str:
    """The status in an answer; a queued job that the account's limit does not hold back counts as running."""
    return "processing" if created.status == "queued" and created.throttled is False else str(created.status)

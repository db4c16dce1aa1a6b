"""One paid POST per job, whatever the network does.

The API has no idempotency key, so a submission whose answer was lost must not simply be repeated: it may have made a
job, which would be paid twice. A failed submission is one of three kinds:

1. It never left this machine, or
2. its answer proves that it was refused: the transport repeats it, or the error is raised.
3. Anything else is in doubt. The newest transcripts of the account are looked through for one with the same audio URL
   that was created since the attempt and is nobody else's here. A job that is not listed may still be made by a server
   that is slow, and the list may lag; so the looks are repeated at growing gaps, and only after a quiet time with one
   more look is the submission repeated.

Submissions of one and the same URL can't be told apart in the list. So while one of them is in doubt, no other is
sent, those under way are waited for, and one doubt is settled after the other.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from asyncscribe.api import protocol
from asyncscribe.api.protocol import Request
from asyncscribe.api.transport import Transport, Undisturbed
from asyncscribe.engine.lookup import Lookout
from asyncscribe.errors import ServiceError, SubmissionInDoubt, UnreadableAnswer
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import TranscriptId
from asyncscribe.policies.submission import SubmissionPolicy

_log = logging.getLogger("asyncscribe")

#: Ids of own jobs that are remembered, so that an older job of the same URL is not taken for a lost one (about 1 MB).
REMEMBERED_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service has the job.

    Attributes:
        id: Its id there.
        status: What the service said of it.
        found: Whether the answer was lost and the job found in the list.
    """

    id: TranscriptId
    status: str
    found: bool = False


@dataclass(slots=True)
class _Address:
    """The submissions of one URL that are under way."""

    users: int = 0
    sending: int = 0
    in_doubt: int = 0
    settling: anyio.Lock = field(default_factory=anyio.Lock)
    changed: anyio.Condition = field(default_factory=anyio.Condition)


class Submitter:
    """Submits jobs so that none is paid twice.

    Args:
        transport: Sends.
        policy: How long a submission in doubt is looked for.
    """

    def __init__(self, transport: Transport, policy: SubmissionPolicy | None = None) -> None:
        self._transport = transport
        self._policy = policy or SubmissionPolicy()
        self._lookout = Lookout(transport)
        self._addresses: dict[str, _Address] = {}
        self._own: OrderedDict[TranscriptId, None] = OrderedDict()

    def knows(self, ids: Iterable[TranscriptId]) -> None:
        """These jobs are accounted for: none of them is the one that a submission in doubt made."""
        for transcript_id in ids:
            self._remember(transcript_id)

    async def find(self, audio_url: str, since: datetime) -> Accepted | None:
        """Look for the job of a submission that an earlier process began, and whose end is not known.

        It is looked for at once. A job that is not there takes the whole quiet time, as the service may make or list it
        late, and nobody knows when the earlier process ended; if the submission was begun long ago
        (`SubmissionPolicy.settled`), the one look decides.

        Args:
            audio_url: The URL that was submitted.
            since: When that was begun, by this machine's clock.

        Returns:
            The job; None when it is certain enough that there is none.

        Raises:
            SubmissionInDoubt: The service could not be asked.
        """
        async with self._at(audio_url) as address:
            address.in_doubt += 1
            long_ago = datetime.now(UTC) - since > timedelta(seconds=self._policy.settled)
            gaps = [0.0] if long_ago else [0.0, *self._policy.gaps()]
            return await self._settle(audio_url, address, since, "an earlier run ended while it was submitted", gaps)

    async def submit(
        self, audio_url: str, config: TranscriptionConfig, undisturbed: Undisturbed = nullcontext
    ) -> Accepted:
        """Have a URL transcribed and return the job's id.

        Args:
            audio_url: An upload URL, or one that the service can fetch.
            config: What to do with it.
            undisturbed: Makes the context in which a request that may make a job is sent, and a doubt is settled; the
                caller's chance to hold deadlines off.

        Raises:
            SubmissionInDoubt: The job may exist, and could not be found.
            ServiceError: The submission was refused or never left; no job was made.
        """
        request = protocol.create_transcript(audio_url, config)
        async with self._at(audio_url) as address:
            problem: ServiceError | None = None
            # Of the first attempt: its job may be listed as late as after the second.
            since = datetime.now(UTC)
            for attempt in range(self._policy.attempts):
                try:
                    return await self._send(request, address, undisturbed)
                except ServiceError as error:
                    if not error.may_have_acted and problem is None:
                        raise
                    if not error.may_have_acted:
                        # This attempt made no job; an earlier one may have.
                        raise SubmissionInDoubt(audio_url, f"{problem}; then {error}") from error
                    problem = error
                _log.warning("%s; looking whether the job exists (attempt %d)", problem, attempt + 1)
                with undisturbed():
                    found = await self._settle(audio_url, address, since, problem, self._policy.gaps())
                if found is not None:
                    return found
            raise SubmissionInDoubt(audio_url, str(problem)) from problem

    @asynccontextmanager
    async def _at(self, audio_url: str) -> AsyncIterator[_Address]:
        address = self._addresses.setdefault(audio_url, _Address())
        address.users += 1
        try:
            yield address
        finally:
            address.users -= 1
            if not address.users:
                del self._addresses[audio_url]

    async def _send(self, request: Request, address: _Address, undisturbed: Undisturbed) -> Accepted:
        async with address.changed:
            while address.in_doubt:
                await address.changed.wait()
            address.sending += 1
        try:
            document = await self._transport.send(request, undisturbed=undisturbed)
            transcript_id = document.get("id")
            if not isinstance(transcript_id, str) or not transcript_id:
                raise UnreadableAnswer(str(request), "the answer names no id")
            return self._accept(TranscriptId(transcript_id), str(document.get("status")))
        except ServiceError as error:
            # Said before `sending` is taken back, so that no other submission slips in between.
            address.in_doubt += error.may_have_acted
            raise
        finally:
            address.sending -= 1
            with anyio.CancelScope(shield=True):
                async with address.changed:
                    address.changed.notify_all()

    def _accept(self, transcript_id: TranscriptId, status: str, *, found: bool = False) -> Accepted:
        self._remember(transcript_id)
        return Accepted(transcript_id, status, found)

    def _remember(self, transcript_id: TranscriptId) -> None:
        self._own[transcript_id] = None
        if len(self._own) > REMEMBERED_IDS:
            self._own.popitem(last=False)

    async def _settle(
        self, audio_url: str, address: _Address, since: datetime, problem: ServiceError | str, gaps: Iterable[float]
    ) -> Accepted | None:
        """Look for the job of a submission in doubt; None when it is certain enough that there is none."""
        try:
            async with address.settling:
                async with address.changed:
                    while address.sending:
                        await address.changed.wait()
                unseen: ServiceError | None = None
                for gap in gaps:
                    await anyio.sleep(gap)
                    unseen = None
                    try:
                        item = await self._look(audio_url, since)
                    except ServiceError as error:
                        _log.info("looking for a submission in doubt failed: %s", error)
                        unseen = error
                        continue
                    if item is not None:
                        return self._accept(item.id, item.status, found=True)
                if unseen is not None:
                    raise SubmissionInDoubt(audio_url, f"{problem}; {unseen}") from unseen
                return None
        finally:
            address.in_doubt -= 1
            with anyio.CancelScope(shield=True):
                async with address.changed:
                    address.changed.notify_all()

    async def _look(self, audio_url: str, since: datetime) -> ListItem | None:
        """The oldest job of this URL since the attempt that is not known to be somebody else's here."""
        items = await self._lookout.look(audio_url, since)
        return next((item for item in reversed(items) if item.id not in self._own), None)

r"""The errors that this library raises.

    AsyncscribeError
     +- ConfigurationError          a setting or a field is missing or not allowed; nothing was sent
     |   +- MissingApiKey
     +- NotOpen                     the client is not open, or was closed meanwhile (also a RuntimeError)
     +- SourceError                 the source can't be read; nothing was submitted
     +- ServiceError                one exchange with the service failed
     |   +- TransportError          there was no whole, readable answer
     |   |   +- ConnectFailed       the request never left
     |   |   +- ConnectionLost      the connection broke on the way
     |   |   +- ServiceTimeout      the service fell silent
     |   |   |   +- UploadStalled   it stopped taking the upload
     |   |   +- UnreadableAnswer    the answer was cut short, or is not the documented JSON
     |   +- APIError                the service answered with an error status
     |       +- BadRequest          400 (and any other 4xx)
     |       +- AccountError        every request of this account will fail alike
     |       |   +- AuthenticationError   401
     |       +- PermissionDenied    403
     |       +- NotFound            404, and the 400 that says the same
     |       +- UploadRejected      422
     |       +- RateLimited         429
     |       +- ServerError         5xx
     |       +- NotReady            202: the result is still being made
     +- SubmissionInDoubt           a job may exist and be paid, and could not be found
     +- WaitError                   the wait ended; the job goes on and can be waited for again
     |   +- WaitTimeout             (also a TimeoutError)
     |   +- WaitInterrupted         the client was closed, or the service was out of reach for too long
     |   +- WaitRefused             the service repeatedly refuses to show the job
     +- CallbackError               a callback or iterable of the caller raised CancelledError by itself
     +- TranscriptionFailed         the service ended the job with status "error"
     +- AllowanceSpent              the job exceeds the rest of its run's allowance; nothing was submitted
     +- JournalError                the journal of a batch can't be read or written
         +- JournalBusy             another process works on the folder
         +- JournalCorrupt          the file is damaged
         +- JournalLost             transcripts exist that are not in it
         +- LeaseLost               another process may go on with the job

"The work failed" (`TranscriptionFailed`) and "the wait ended" (`WaitError`) are different things: after the second the
job is still running, will be paid for, and `client.wait(error.transcript_id)` picks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from asyncscribe.masking import masked

if TYPE_CHECKING:
    from pathlib import PurePath

    from asyncscribe.models.transcript import Transcript, TranscriptId


class AsyncscribeError(Exception):
    """Base of all errors of this library. They can be pickled, so they cross process pools and task queues."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[AsyncscribeError], args: tuple[Any, ...], state: Mapping[str, Any]) -> AsyncscribeError:
    # Not by calling the class: its constructor takes the parts of the message, not the message.
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(AsyncscribeError):
    """A setting, an address or a field of a configuration is missing or not allowed. Nothing was sent."""


class MissingApiKey(ConfigurationError):
    """No API key was given."""

    def __init__(self) -> None:
        super().__init__(
            "no API key: set the environment variable ASSEMBLYAI_API_KEY, write it into a file named .env, "
            "or pass AsyncClient(api_key=...)"
        )


class NotOpen(AsyncscribeError, RuntimeError):
    """The client is not open yet, or was closed meanwhile."""

    def __init__(self) -> None:
        super().__init__("the client is not open: use it in `async with AsyncClient(...) as client:`")


class SourceError(AsyncscribeError):
    """The source can't be opened or read; nothing was submitted.

    Attributes:
        source: The source's name in messages.
    """

    def __init__(self, source: str, problem: str) -> None:
        problem = masked(problem)
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem


class CallbackError(AsyncscribeError):
    """Something that the caller passed in (a ledger, a signer, an iterable) raised `CancelledError` by itself.

    Reraised, it would look like a cancellation of the task that happens to run it.
    """


class JournalError(AsyncscribeError):
    """The journal of a batch can't be read or written. Nothing is submitted that it could not record.

    Attributes:
        path: The file; or the host and name of a database.
    """

    def __init__(self, path: PurePath | str, problem: str) -> None:
        super().__init__(f"the journal {path} can't be used: {problem}")
        self.path = path


class JournalLost(JournalError):
    """A transcript exists that is not in the journal: to go on might pay for it, and all others, again.

    Attributes:
        transcript: The file.
    """

    def __init__(self, path: PurePath, transcript: PurePath) -> None:
        super().__init__(
            path,
            f"it has no record of {transcript}. If an earlier journal was lost, run `asyncscribe batch recover` to "
            "rebuild it before anything is paid again; else move that file away, or use another output folder",
        )
        self.transcript = transcript


class JournalBusy(JournalError):
    """Another process works on the same output folder.

    Attributes:
        holder: Which one, and since when.
    """

    def __init__(self, path: PurePath, holder: str) -> None:
        super().__init__(path, f"{holder} is at work on this folder")
        self.holder = holder


class JournalCorrupt(JournalError):
    """The journal's file is damaged, or is not a journal."""

    def __init__(self, path: PurePath, problem: str) -> None:
        super().__init__(
            path,
            f"it is damaged ({problem}); move it away and run `asyncscribe batch recover`, which makes a new one from "
            "the output folder and the service, so that nothing is paid again",
        )


class LeaseLost(JournalError):
    """This process was silent for longer than its lease, so others may go on with its jobs. It must send nothing more.

    Its submissions are not lost: the process that goes on with a job looks for its submission first.
    """

    def __init__(self, path: PurePath | str, problem: str) -> None:
        super().__init__(
            path,
            f"{problem}: this process was out of touch with the database for too long, and another one may go on with "
            "its jobs. Nothing is paid twice; restart it to rejoin",
        )


class AllowanceSpent(AsyncscribeError):
    """A job is longer than the rest of its run's allowance. Nothing was submitted.

    Attributes:
        run: The run that has the allowance.
        seconds: Length of the job's audio.
    """

    def __init__(self, run: str, seconds: float) -> None:
        super().__init__(f"{seconds:g} s of audio exceed the rest of this run's allowance ({run})")
        self.run = run
        self.seconds = seconds


class ServiceError(AsyncscribeError):
    """One exchange with the service failed.

    Attributes:
        request: Method and path of the request, e.g. `POST /v2/transcript`.
        may_have_acted: Whether the service may have acted on the request. False only if it certainly has not: the
            request never left, or the answer says that it was refused.
        transient: Whether the same request can succeed later.
    """

    may_have_acted: ClassVar[bool] = True
    transient: ClassVar[bool] = True

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"{request}: {masked(problem)}")
        self.request = request


class TransportError(ServiceError):
    """There was no whole, readable answer."""


class ConnectFailed(TransportError):
    """The request never left: the name was not found, the connection or TLS was refused."""

    may_have_acted = False


class ConnectionLost(TransportError):
    """The connection broke before the answer was complete."""


class ServiceTimeout(TransportError):
    """The service fell silent for longer than the timeout allows."""


class UploadStalled(ServiceTimeout):
    """The service stopped taking the bytes of an upload."""


class UnreadableAnswer(TransportError):
    """The answer was cut short, or it is not the documented JSON."""


class APIError(ServiceError):
    """The service answered with an error status.

    Attributes:
        status: The HTTP status.
        message: The service's text, shortened.
    """

    may_have_acted = False
    transient = False

    def __init__(self, request: str, status: int, message: str) -> None:
        super().__init__(request, f"{status} {message}")
        self.status = status
        self.message = masked(message)


class BadRequest(APIError):
    """The request is wrong: the message says which field."""


class AccountError(APIError):
    """Every request of this account will fail alike, so a batch should stop."""


class AuthenticationError(AccountError):
    """The API key was refused (401)."""


class PermissionDenied(APIError):
    """The upload belongs to another project (403)."""


class NotFound(APIError):
    """The transcript does not exist, or belongs to another project."""


class UploadRejected(APIError):
    """The service could not store the upload (422): a temporary problem, or an empty file."""

    transient = True


class RateLimited(APIError):
    """Too many requests (429).

    Attributes:
        retry_after: Seconds to wait; None if the service did not say.
    """

    transient = True

    def __init__(self, request: str, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(request, status, message)
        self.retry_after = retry_after


class ServerError(APIError):
    """The service failed (5xx). Whether it acted before it failed is unknown.

    Attributes:
        retry_after: Seconds to wait; None if the service did not say.
    """

    may_have_acted = True
    transient = True

    def __init__(self, request: str, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(request, status, message)
        self.retry_after = retry_after


class NotReady(APIError):
    """The result is still being made (202, for redacted audio)."""


class SubmissionInDoubt(AsyncscribeError):
    """A submission got no answer, and its job could not be found: it may exist and be paid.

    Submitting again can pay twice. Look for `audio_url` in the account's list of transcripts first.

    Attributes:
        audio_url: The submitted URL.
    """

    def __init__(self, audio_url: str, problem: str) -> None:
        super().__init__(
            f"the submission of {masked(audio_url)} got no answer ({masked(problem)}): its job may exist although it "
            "is not listed, so look for this audio_url in the account's list of transcripts before submitting it again"
        )
        self.audio_url = audio_url


class WaitError(AsyncscribeError):
    """The wait ended, not the work.

    Attributes:
        transcript_id: The job that goes on at the service; None if it was not submitted, so that nothing is paid.
    """

    def __init__(self, problem: str, transcript_id: TranscriptId | None, what_now: str | None = None) -> None:
        what_now = what_now or (
            "nothing was submitted"
            if transcript_id is None
            else f"the job goes on and will be paid for: client.wait({str(transcript_id)!r}) picks it up"
        )
        super().__init__(f"{masked(problem)}; {what_now}")
        self.transcript_id = transcript_id


class WaitTimeout(WaitError, TimeoutError):
    """The timeout has passed."""


class WaitInterrupted(WaitError):
    """The service was out of reach for too long, or the client was closed."""


class WaitRefused(WaitError):
    """The service repeatedly refused to show a job that it had (a 302, 403, 404, 405 or another 4xx).

    The job need not have failed. It may be hidden by a proxy or another key, or deleted by the account's retention.

    Attributes:
        refusal: The service's last answer.
    """

    def __init__(self, refusal: APIError, transcript_id: TranscriptId) -> None:
        super().__init__(f"the service no longer shows transcript {transcript_id} ({refusal})", transcript_id)
        self.refusal = refusal


class FailureCategory(StrEnum):
    """Whose fault a failed job is, which decides whether submitting it again can help."""

    INPUT = "input"
    """The audio or one of the caller's options: it will fail again."""
    SERVER = "server"
    """The service: another of its servers will likely succeed."""
    UNCLEAR = "unclear"
    """The text says neither."""


class TranscriptionFailed(AsyncscribeError):
    """The service ended the job with status "error". Failed jobs are not charged.

    Attributes:
        transcript: The failed transcript; its `error` is the service's text.
        reason: The same text, with the queries and passwords of its addresses masked.
        category: Whose fault it is.
        submissions: How many times the job was submitted.
    """

    def __init__(self, transcript: Transcript, category: FailureCategory, submissions: int) -> None:
        times = "" if submissions == 1 else f" after {submissions} submissions"
        reason = masked(transcript.error or "no reason given")
        super().__init__(f"{reason} ({category}; transcript {transcript.id} failed{times})")
        self.reason = reason
        self.transcript = transcript
        self.category = category
        self.submissions = submissions

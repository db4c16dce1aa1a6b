"""Async-first client for AssemblyAI's pre-recorded transcription API, made for many jobs at once."""

import importlib
import typing

from asyncscribe.client import AsyncClient, ClientStatistics
from asyncscribe.engine.handle import Job
from asyncscribe.errors import (
    AccountError,
    APIError,
    AsyncscribeError,
    AuthenticationError,
    BadRequest,
    CallbackError,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    FailureCategory,
    JournalBusy,
    JournalCorrupt,
    JournalError,
    JournalLost,
    MissingApiKey,
    NotFound,
    NotOpen,
    NotReady,
    PermissionDenied,
    RateLimited,
    ServerError,
    ServiceError,
    ServiceTimeout,
    SourceError,
    SubmissionInDoubt,
    TranscriptionFailed,
    TransportError,
    UnreadableAnswer,
    UploadRejected,
    UploadStalled,
    WaitError,
    WaitInterrupted,
    WaitRefused,
    WaitTimeout,
)
from asyncscribe.events import Event, EventHandler
from asyncscribe.ledger import Ledger, ResumePoint
from asyncscribe.lifecycle import JobState
from asyncscribe.models.config import CustomSpelling, LanguageDetectionOptions, SpeakerOptions, TranscriptionConfig
from asyncscribe.models.fields import ConfigFields
from asyncscribe.models.options import LanguageCode, PiiPolicy, SpeechModel
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import Transcript, TranscriptId, TranscriptStatus
from asyncscribe.models.words import Utterance, Word
from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import FixedLimit, Limit
from asyncscribe.policies.request_rate import HttpBudget
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.requests import Config, Failure, Outcome, Success, TranscriptionRequest
from asyncscribe.settings import Region, Timeouts
from asyncscribe.sources import SignedOnDemand, Source
from asyncscribe.version import __version__

if typing.TYPE_CHECKING:
    from asyncscribe.batch import Batch
    from asyncscribe.sync import Client

__all__ = [
    "APIError",
    "AccountError",
    "AdaptiveLimit",
    "AsyncClient",
    "AsyncscribeError",
    "AuthenticationError",
    "Backoff",
    "BadRequest",
    "Batch",
    "CallbackError",
    "Client",
    "ClientStatistics",
    "Config",
    "ConfigFields",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionLost",
    "CustomSpelling",
    "Event",
    "EventHandler",
    "Failure",
    "FailureCategory",
    "FixedLimit",
    "HttpBudget",
    "Job",
    "JobState",
    "JournalBusy",
    "JournalCorrupt",
    "JournalError",
    "JournalLost",
    "LanguageCode",
    "LanguageDetectionOptions",
    "Ledger",
    "Limit",
    "ListItem",
    "MissingApiKey",
    "NotFound",
    "NotOpen",
    "NotReady",
    "Outcome",
    "PermissionDenied",
    "PiiPolicy",
    "RateLimited",
    "Region",
    "ResubmissionPolicy",
    "ResumePoint",
    "RetryPolicy",
    "ServerError",
    "ServiceError",
    "ServiceTimeout",
    "SignedOnDemand",
    "Source",
    "SourceError",
    "SpeakerOptions",
    "SpeechModel",
    "SubmissionInDoubt",
    "SubmissionPolicy",
    "Success",
    "Timeouts",
    "Transcript",
    "TranscriptId",
    "TranscriptStatus",
    "TranscriptionConfig",
    "TranscriptionFailed",
    "TranscriptionRequest",
    "TransportError",
    "UnreadableAnswer",
    "UploadRejected",
    "UploadStalled",
    "Utterance",
    "WaitError",
    "WaitInterrupted",
    "WaitRefused",
    "WaitTimeout",
    "Word",
    "__version__",
]

#: Imported on first use, because not everybody needs them and importing takes time.
_LATER = {"Batch": "asyncscribe.batch", "Client": "asyncscribe.sync"}


def __getattr__(name: str) -> typing.Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

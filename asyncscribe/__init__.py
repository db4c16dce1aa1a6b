"""Async-first client for AssemblyAI's pre-recorded transcription API, made for many jobs at once."""

from asyncscribe.client import AsyncClient, ClientStatistics
from asyncscribe.engine.jobs import Job
from asyncscribe.engine.pipeline import Outcome
from asyncscribe.errors import (
    AccountError,
    APIError,
    AsyncscribeError,
    AuthenticationError,
    BadRequest,
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
    WaitTimeout,
)
from asyncscribe.ledger import Ledger, Past, Tracked
from asyncscribe.lifecycle import JobState
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.options import LanguageCode, PiiPolicy, SpeechModel
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import Transcript, TranscriptStatus
from asyncscribe.models.words import Utterance, Word
from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.budget import HttpBudget
from asyncscribe.policies.limits import FixedLimit
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.settings import Region, Timeouts
from asyncscribe.sources import SignedOnDemand
from asyncscribe.version import __version__

__all__ = [
    "APIError",
    "AccountError",
    "AdaptiveLimit",
    "AsyncClient",
    "AsyncscribeError",
    "AuthenticationError",
    "Backoff",
    "BadRequest",
    "ClientStatistics",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionLost",
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
    "Ledger",
    "ListItem",
    "MissingApiKey",
    "NotFound",
    "NotOpen",
    "NotReady",
    "Outcome",
    "Past",
    "PermissionDenied",
    "PiiPolicy",
    "RateLimited",
    "Region",
    "ResubmissionPolicy",
    "RetryPolicy",
    "ServerError",
    "ServiceError",
    "ServiceTimeout",
    "SignedOnDemand",
    "SourceError",
    "SpeechModel",
    "SubmissionInDoubt",
    "SubmissionPolicy",
    "Timeouts",
    "Tracked",
    "Transcript",
    "TranscriptStatus",
    "TranscriptionConfig",
    "TranscriptionFailed",
    "TransportError",
    "UnreadableAnswer",
    "UploadRejected",
    "UploadStalled",
    "Utterance",
    "WaitError",
    "WaitInterrupted",
    "WaitTimeout",
    "Word",
    "__version__",
]

"""Async-first client for AssemblyAI's pre-recorded transcription API, made for many jobs at once."""

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
from asyncscribe.ledger import Ledger, ResumePoint
from asyncscribe.lifecycle import JobState
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.options import LanguageCode, PiiPolicy, SpeechModel
from asyncscribe.models.pages import ListItem
from asyncscribe.models.transcript import Transcript, TranscriptStatus
from asyncscribe.models.words import Utterance, Word
from asyncscribe.policies.adaptive import AdaptiveLimit
from asyncscribe.policies.backoff import Backoff
from asyncscribe.policies.limits import FixedLimit
from asyncscribe.policies.resubmission import ResubmissionPolicy
from asyncscribe.policies.retry import RetryPolicy
from asyncscribe.policies.submission import SubmissionPolicy
from asyncscribe.policies.window import HttpBudget
from asyncscribe.requests import Outcome, TranscriptionRequest
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
    "CallbackError",
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
    "SourceError",
    "SpeechModel",
    "SubmissionInDoubt",
    "SubmissionPolicy",
    "Timeouts",
    "Transcript",
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

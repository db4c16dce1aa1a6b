"""Folders of recordings in, a folder of transcripts out."""

from asyncscribe.batch.inputs.discovery import BatchItem
from asyncscribe.batch.inputs.probing import Length
from asyncscribe.batch.journal.records import Entry, JobRecord, Journal, Newcomer, Recording, SavedState
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.batch.outputs import Format
from asyncscribe.batch.planning import Plan
from asyncscribe.batch.runner import Batch, BatchOutcome
from asyncscribe.batch.survey import Forecast, Survey

__all__ = [
    "Batch",
    "BatchItem",
    "BatchOutcome",
    "Entry",
    "Forecast",
    "Format",
    "JobRecord",
    "Journal",
    "Length",
    "Newcomer",
    "Plan",
    "Recording",
    "SavedState",
    "SqliteJournal",
    "Survey",
]

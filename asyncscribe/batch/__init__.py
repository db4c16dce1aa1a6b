"""Folders of recordings in, a folder of transcripts out."""

from asyncscribe.batch.journal.records import Entry, JobRecord, Journal, Recording, Step
from asyncscribe.batch.journal.sqlite import SqliteJournal
from asyncscribe.batch.outputs import Format
from asyncscribe.batch.planning import Plan
from asyncscribe.batch.runner import Batch, BatchOutcome, Prospect

__all__ = [
    "Batch",
    "BatchOutcome",
    "Entry",
    "Format",
    "JobRecord",
    "Journal",
    "Plan",
    "Prospect",
    "Recording",
    "SqliteJournal",
    "Step",
]

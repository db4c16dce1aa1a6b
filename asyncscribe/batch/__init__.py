"""Folders of recordings in, a folder of transcripts out."""

from asyncscribe.batch.journal import Entry, JobRecord, Journal, Recording, Step
from asyncscribe.batch.outputs import Format
from asyncscribe.batch.plan import Plan
from asyncscribe.batch.runner import Batch, BatchOutcome, Prospect
from asyncscribe.batch.sqlite import SqliteJournal

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

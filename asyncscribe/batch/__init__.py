"""Folders of recordings in, a folder of transcripts out."""

from asyncscribe.batch.outputs import Format
from asyncscribe.batch.runner import Batch, BatchOutcome

__all__ = ["Batch", "BatchOutcome", "Format"]

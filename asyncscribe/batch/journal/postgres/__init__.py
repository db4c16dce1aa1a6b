"""The journal of many machines: a PostgreSQL database."""

from asyncscribe.batch.journal.postgres.journal import PostgresJournal
from asyncscribe.batch.journal.postgres.workers import Claim, Member, Selection, Stray

__all__ = ["Claim", "Member", "PostgresJournal", "Selection", "Stray"]

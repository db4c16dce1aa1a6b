"""Migrates a journal of version 2, in which recordings were known by their names alone."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

from asyncscribe.batch.inputs.identity import identity_of
from asyncscribe.batch.inputs.naming import fold, variants

#: Stands for the embedded server, whose address changes with every run.
EMBEDDED = "embedded"
#: The formats of transcripts.
_FORMATS = ("json", "text", "txt", "srt", "vtt")

_TABLES = (
    """
    CREATE TABLE jobs_of_services (
        key INTEGER PRIMARY KEY,
        service TEXT NOT NULL,              -- address of the API, or what stands for an embedded server
        content TEXT NOT NULL,              -- sha256:... of the bytes, or an address
        config TEXT NOT NULL,               -- fingerprint of the configuration
        step TEXT NOT NULL DEFAULT 'found', -- found, uploaded, submitting, submitted, completed, failed
        audio_url TEXT,
        uploaded REAL,                      -- times are Unix seconds
        doubtful_url TEXT,                  -- a submission whose end is not known
        doubtful_since REAL,
        ids TEXT NOT NULL DEFAULT '[]',     -- the service's ids, oldest first
        reason TEXT,
        category TEXT,
        audio_seconds REAL,
        times TEXT NOT NULL DEFAULT '{}',   -- when it came into each state, and when it ended there
        UNIQUE (service, content, config)
    )
    """,
    """
    CREATE TABLE recordings_by_identity (
        identity TEXT PRIMARY KEY,          -- absolute path, or address without what signs it
        name TEXT NOT NULL UNIQUE,          -- relative path in the output folder
        folded TEXT NOT NULL UNIQUE,        -- the same as some file systems compare it
        source TEXT NOT NULL,               -- as it is shown
        size INTEGER,
        modified INTEGER,                   -- nanoseconds
        content TEXT,
        seconds REAL,                       -- length of the audio, probed
        job INTEGER REFERENCES jobs (key),  -- the present one
        files TEXT NOT NULL DEFAULT '{}',   -- by format, the job whose transcript is in it
        problem TEXT                        -- what kept it from being transcribed when that was last tried
    ) WITHOUT ROWID
    """,
)


def migrate_to_identities(connection: sqlite3.Connection, folder: Path) -> None:
    """Migrate version 2 to version 3.

    Args:
        connection: In a transaction.
        folder: The output folder.
    """
    facts = dict(connection.execute("SELECT name, value FROM facts WHERE name IN ('service', 'lasting')"))
    service = facts.get("service", "") if facts.get("lasting", "1") == "1" else EMBEDDED
    for table in _TABLES:
        connection.execute(table)
    connection.execute(
        "INSERT INTO jobs_of_services SELECT key, ?, content, config, step, audio_url, uploaded, doubtful_url, "
        "doubtful_since, ids, reason, category, audio_seconds, times FROM jobs",
        (service,),
    )
    rows = connection.execute(
        "SELECT name, source, size, modified, content, seconds, job, written, problem FROM recordings"
    )
    for name, source, size, modified, content, seconds, job, written, problem in rows:
        present = [form for form in _FORMATS if written and os.path.isfile(f"{folder}{os.sep}{name}.{form}")]  # noqa: PTH113
        files = json.dumps(dict.fromkeys(present, job)) if job is not None else "{}"
        address = content.removeprefix("url:") if content and content.startswith("url:") else source
        identity, folded = identity_of(address), fold(name)
        more = variants(folded)
        while not connection.execute(
            "INSERT OR IGNORE INTO recordings_by_identity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (identity, name, folded, source, size, modified, content, seconds, job, files, problem),
        ).rowcount:
            # Its files have this name, so it stays, and only `folded` is varied. A source named twice is kept twice.
            folded = next(more)
            identity = f"{identity_of(address)}#{folded}"
    connection.execute("DROP TABLE recordings")
    connection.execute("DROP TABLE jobs")
    connection.execute("ALTER TABLE jobs_of_services RENAME TO jobs")
    connection.execute("ALTER TABLE recordings_by_identity RENAME TO recordings")
    connection.execute("CREATE INDEX recordings_of_job ON recordings (job)")

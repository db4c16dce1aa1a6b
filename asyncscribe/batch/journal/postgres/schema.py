"""The tables of a PostgreSQL journal."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from asyncscribe.errors import JournalError

#: Two first starts at once create one schema: the second waits for the transaction of the first.
CREATION_LOCK = 0x61737363
#: Its holder lists recordings; the others only work on them.
LISTER_LOCK = 0x61737364

#: Each raises the schema by one version; the position is the version that it starts from. Texts are compared byte by
#: byte, as in SQLite, whatever the database's locale.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE workers (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never given twice: it fences
            name TEXT NOT NULL,
            host TEXT NOT NULL,
            expires TIMESTAMPTZ NOT NULL,                       -- by the database's clock
            ended BOOLEAN NOT NULL DEFAULT FALSE
        )
        """,
        # Indexes depend on `open`, not on `step`: so most steps change no index, and leave no dead entries there.
        """
        CREATE TABLE jobs (
            key BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            service TEXT COLLATE "C" NOT NULL,      -- address of the API
            content TEXT COLLATE "C" NOT NULL,      -- sha256:... of the bytes, or an address
            config TEXT COLLATE "C" NOT NULL,       -- fingerprint of the configuration
            step TEXT COLLATE "C" NOT NULL DEFAULT 'found',
            open BOOLEAN NOT NULL GENERATED ALWAYS AS (step NOT IN ('completed', 'failed')) STORED,
            owner BIGINT REFERENCES workers (id),   -- who works on it
            finisher BIGINT,                        -- who finished it
            freed DOUBLE PRECISION,                 -- when the last owner's lease ended
            host TEXT COLLATE "C",                  -- the only one that can read it, until it is uploaded
            counted NUMERIC(20, 3) NOT NULL DEFAULT 0, -- seconds that were taken from a budget
            budget TEXT COLLATE "C",                -- which one
            audio_url TEXT,
            uploaded DOUBLE PRECISION,              -- times are Unix seconds
            doubtful_url TEXT,                      -- a submission whose end is not known
            doubtful_since DOUBLE PRECISION,
            ids TEXT COLLATE "C" NOT NULL DEFAULT '[]', -- the service's ids, oldest first
            reason TEXT,
            category TEXT,
            audio_seconds DOUBLE PRECISION,
            times TEXT NOT NULL DEFAULT '{}',       -- when it came into each state, and when it ended there
            UNIQUE (content, service, config)       -- first what tells most
        ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
        """,
        "CREATE INDEX jobs_free ON jobs (service, key) WHERE owner IS NULL AND open",
        "CREATE INDEX jobs_owned ON jobs (owner) WHERE owner IS NOT NULL AND open",
        """
        CREATE TABLE recordings (
            identity TEXT COLLATE "C" PRIMARY KEY,  -- absolute path, or address without what signs it
            name TEXT COLLATE "C" NOT NULL UNIQUE,  -- relative path in the output folder
            folded TEXT COLLATE "C" NOT NULL UNIQUE, -- the same as some file systems compare it
            source TEXT NOT NULL,                   -- as it is shown
            size BIGINT,
            modified BIGINT,                        -- nanoseconds
            content TEXT COLLATE "C",
            seconds DOUBLE PRECISION,               -- length of the audio, probed
            job BIGINT REFERENCES jobs (key),       -- the present one
            files TEXT NOT NULL DEFAULT '{}',       -- by format, the job whose transcript is in it
            problem TEXT                            -- what kept it from being transcribed when that was last tried
        ) WITH (fillfactor = 80)
        """,
        "CREATE INDEX recordings_of_job ON recordings (job)",
        "CREATE TABLE limits (moment DOUBLE PRECISION NOT NULL, jobs BIGINT NOT NULL)",
        """
        CREATE TABLE budgets (
            run TEXT COLLATE "C" PRIMARY KEY,
            allowed NUMERIC(20, 3) NOT NULL,        -- seconds of audio
            taken NUMERIC(20, 3) NOT NULL DEFAULT 0
        ) WITH (fillfactor = 20)
        """,
        """
        CREATE TABLE strays (                       -- what was paid for by workers that had lost the job
            job BIGINT NOT NULL,
            id TEXT COLLATE "C" NOT NULL,           -- the service's
            worker BIGINT NOT NULL,
            PRIMARY KEY (job, id)
        )
        """,
    ),
    (
        # `key + 0`, because the planner preferred the primary key to an index on `key`, and each claim then walked over
        # all finished jobs (60 ms after 240,000 of them, growing; 4 ms with this index).
        "DROP INDEX jobs_free",
        "CREATE INDEX jobs_free ON jobs (service, (key + 0)) WHERE owner IS NULL AND open",
        # True if the length is unknown, and `counted` is its upper bound.
        "ALTER TABLE jobs ADD COLUMN bound BOOLEAN NOT NULL DEFAULT FALSE",
    ),
)

_FACTS = 'CREATE TABLE IF NOT EXISTS facts (name TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL)'
_IS_THERE = "SELECT to_regclass('facts') IS NOT NULL"
_VERSION = "SELECT value FROM facts WHERE name = 'version'"
_KEEP = "INSERT INTO facts VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def prepare(connection: Connection, place: str) -> None:
    """Create the tables, or migrate them.

    Args:
        connection: In autocommit.
        place: What errors name.

    Raises:
        JournalError: A later version wrote them.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (CREATION_LOCK,))
        # Only if it is missing: a user who can write the journal may lack the right to create tables.
        if not _scalar(connection, _IS_THERE):
            connection.execute(_FACTS)
        version = _version(connection, place)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(MIGRATIONS):
            connection.execute(_KEEP, ("version", str(len(MIGRATIONS))))


def check(connection: Connection, place: str) -> None:
    """Check that the tables exist, in a version that can be read.

    Raises:
        JournalError: They don't, or have another version.
    """
    if not _scalar(connection, _IS_THERE):
        raise JournalError(place, "there is no journal: no batch was run with this database")
    if (version := _version(connection, place)) < len(MIGRATIONS):
        raise JournalError(place, f"its version is {version}: it is brought up to date when a batch is run")


def keep_timeline(connection: Connection, place: str, timeline: str | None, *, renew: bool) -> None:
    """Check that the database is still the same one, and no copy that took its place.

    A copy that lagged behind may have lost the start of a submission, which would then be paid for again.

    Args:
        connection: In autocommit.
        place: What errors name.
        timeline: The present one; None if it is unavailable.
        renew: Whether a changed timeline is accepted from now on.

    Raises:
        JournalError: The timeline changed.
    """
    if timeline is None:
        return
    connection.execute("INSERT INTO facts VALUES ('timeline', %s) ON CONFLICT DO NOTHING", (timeline,))
    if renew:
        connection.execute(_KEEP, ("timeline", timeline))
        return
    before = _scalar(connection, "SELECT value FROM facts WHERE name = 'timeline'")
    if before != timeline:
        raise JournalError(
            place,
            f"a copy of it took its place (timeline {before} became {timeline}), which may know less than it did; "
            "`asyncscribe batch recover` finds what the service has, so that nothing is paid again",
        )


def _version(connection: Connection, place: str) -> int:
    version = int(_scalar(connection, _VERSION) or 0)
    if version > len(MIGRATIONS):
        raise JournalError(place, f"its version is {version}, which a later asyncscribe wrote: upgrade first")
    return version


def _scalar(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]

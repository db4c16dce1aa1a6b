"""Whose account a journal is of."""

from __future__ import annotations

import secrets
from pathlib import Path

from asyncscribe.batch.journal.records import Journal
from asyncscribe.client import AsyncClient
from asyncscribe.errors import JournalError, NotFound

#: Ids that are asked for before an account is called another one.
KNOWN_IDS = 3


async def check_account(journal: Journal, client: AsyncClient, service: str, place: Path) -> None:
    """Refuse another account's key: to it, all that is paid would look as if it were gone.

    Args:
        journal: Knows which key it was used with, as a salted hash.
        client: Has the key.
        service: Where it is for.
        place: The journal, as errors name it.

    Raises:
        JournalError: The key is of another account.
    """
    salt = await journal.fact("salt")
    if salt is None:
        salt = secrets.token_hex(16)
        await journal.keep_fact("salt", salt)
    fact, digest = f"key {service}", client.key_digest(salt)
    before = await journal.fact(fact)
    if before == digest:
        return
    known = await journal.latest_ids(service, KNOWN_IDS)
    for transcript_id in known:
        try:
            await client.get(transcript_id)
            break
        except NotFound:
            continue
    else:
        # Of a journal that knows of no key yet, old transcripts may have been deleted by the service meanwhile.
        if known and before is not None:
            raise JournalError(
                place,
                "it is of another account, whose jobs this key can't see: use that key, or another output folder",
            )
    await journal.keep_fact(fact, digest)

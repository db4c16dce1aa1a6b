"""Which account a journal belongs to."""

from __future__ import annotations

import secrets
from pathlib import Path

from asyncscribe.batch.journal.records import Journal
from asyncscribe.client import AsyncClient
from asyncscribe.errors import JournalError, NotFound

#: Ids that are asked for before the account counts as another one.
KNOWN_IDS = 3


async def check_account(journal: Journal, client: AsyncClient, service: str, place: Path) -> None:
    """Refuse another account's key, because paid jobs would seem to be gone.

    Args:
        journal: Has a salted hash of the key that it was used with.
        client: Has the key.
        service: The service that the key is for.
        place: The journal, as errors name it.

    Raises:
        JournalError: The key belongs to another account.
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
        # Without a known key nothing is proved: the service may have deleted old transcripts meanwhile.
        if known and before is not None:
            raise JournalError(
                place,
                "it belongs to another account, whose jobs this key can't see: use that key, or another output folder",
            )
    await journal.keep_fact(fact, digest)

"""Sends webhooks as the service does: up to ten attempts, ten seconds apart; a 4xx ends them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

#: The service's documentation: any 2xx within 10 s counts, 10 attempts in all, 10 s apart.
ATTEMPTS = 10
PAUSE = 10.0
TIMEOUT = aiohttp.ClientTimeout(total=10)


async def notify(
    session: aiohttp.ClientSession, url: str, header: tuple[str, str] | None, content: Mapping[str, Any]
) -> int | None:
    """Post a notification; return the status of the last answer, None if there was none."""
    status = None
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(PAUSE)
        try:
            async with session.post(
                url, json=content, headers=dict([header]) if header else None, timeout=TIMEOUT
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError):
            continue
        if status < 300 or 400 <= status < 500:
            break
    return status

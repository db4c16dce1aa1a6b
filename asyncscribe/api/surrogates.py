r"""Answers with half a character: `"\ud83d"` without its other half, as a text cut in the middle of an emoji has it.

Strict readers refuse the whole answer. A paid transcript must not be lost for it: the half is replaced.
"""

from __future__ import annotations

import json
import re

_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")


def repaired(body: bytes) -> bytes | None:
    """The same JSON with `?` in place of each half of a character; None if there is none in it, or it is no JSON."""
    if _ESCAPED.search(body) is None:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

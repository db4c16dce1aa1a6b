r"""Answers with a lone surrogate: `"\ud83d"` without its other half, left by a text that was cut within an emoji.

Strict parsers refuse the whole answer. A paid transcript must not be lost because of that, so it is replaced.
"""

from __future__ import annotations

import json
import re

_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")


def repaired(body: bytes) -> bytes | None:
    """The same JSON with `?` in place of each lone surrogate; None if it has none, or is not JSON."""
    if _ESCAPED.search(body) is None:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

"""Vetoes listed jobs that a submission with a lost answer can't have made; `engine.submission` chooses. Pure.

The list shows only the audio's address, and one address may be submitted twice with different options. The transcript
echoes every option that was sent, and fills in defaults; so both can be compared. An option that the transcript does
not show is not a contradiction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: Options that are off by default and whose echo is exact. If a transcript has one on that was not requested, it
#: belongs to another submission.
OFF_BY_DEFAULT = frozenset(
    "auto_chapters auto_highlights content_safety disfluencies dual_channel entity_detection filter_profanity "
    "iab_categories language_detection multichannel redact_pii redact_pii_audio sentiment_analysis speaker_labels "
    "summarization".split()
)
#: The same for options that are on by default.
ON_BY_DEFAULT = frozenset({"punctuate", "format_text"})


def contradiction(sent: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """An option in which a transcript differs from what was sent; None if it differs in none.

    Args:
        sent: The fields of the request, without `audio_url`.
        document: The transcript as the service shows it, in any state.
    """
    for name in OFF_BY_DEFAULT | ON_BY_DEFAULT:
        shown = document.get(name)
        if isinstance(shown, bool) and shown != bool(sent.get(name, name in ON_BY_DEFAULT)):
            return name
    for name, value in sent.items():
        shown = document.get(name)
        if shown is not None and value is not None and not _agree(value, shown):
            return name
    return None


def _agree(sent: Any, shown: Any) -> bool:
    """Whether two values can be the same; of objects only the keys that both have are compared."""
    if isinstance(sent, bool) or isinstance(shown, bool):
        return bool(sent) == bool(shown)
    if isinstance(sent, str) and isinstance(shown, str):
        # `en` comes back as `en_us`.
        ours, theirs = sent.strip().casefold(), shown.strip().casefold()
        return ours == theirs or theirs.startswith(f"{ours}_") or ours.startswith(f"{theirs}_")
    if isinstance(sent, int | float) and isinstance(shown, int | float):
        # NaN is not equal to itself.
        return sent == shown or abs(sent - shown) < 1e-6 or (math.isnan(sent) and math.isnan(shown))
    if isinstance(sent, Mapping) and isinstance(shown, Mapping):
        both = sent.keys() & shown.keys()
        return all(sent[name] is None or shown[name] is None or _agree(sent[name], shown[name]) for name in both)
    if _is_list(sent) and _is_list(shown):
        if all(isinstance(item, str) for item in (*sent, *shown)):
            sent, shown = sorted(sent), sorted(shown)
        return len(sent) == len(shown) and all(map(_agree, sent, shown))
    # Different kinds of value: the service returns some options in another form than it accepts them.
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)

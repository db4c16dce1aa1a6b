"""Keeps keys, passwords and signatures out of all output."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]{0,19}://)([^\s\"'<>]+)", re.IGNORECASE)
#: Punctuation that ends a sentence or closes a bracket after an address is not part of it.
_CLOSING = ".,;:!)]}"


class Secret(str):
    """A string that its repr hides: tracebacks that capture local variables print the repr of everything."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def masked(text: str) -> str:
    """The text, with the query, the fragment and the password of every address in it replaced by `***`.

    A signed URL grants access to its target, wherever the signature is in its query.
    """
    return _ADDRESS.sub(_masked_address, text) if "://" in text else text


def _masked_address(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    address = rest.rstrip(_CLOSING)
    path, mark = address, ""
    for candidate in "?#":
        before, found, _ = path.partition(candidate)
        if found:
            path, mark = before, candidate
    host, slash, below = path.partition("/")
    _, at, host = host.rpartition("@")
    return f"{scheme}{'***@' if at else ''}{host}{slash}{below}{f'{mark}***' if mark else ''}{rest[len(address) :]}"

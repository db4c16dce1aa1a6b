"""Checks of what is passed to the client, so that a mistake is told where it is made."""

from __future__ import annotations

from asyncscribe.errors import ConfigurationError


def check_kind(name: str, value: object, kinds: tuple[type, ...], hint: str) -> None:
    """Refuse an argument of another kind than is wanted; None is always allowed.

    Args:
        name: The argument's name.
        value: What was passed.
        kinds: What it may be.
        hint: What to pass instead.

    Raises:
        ConfigurationError: It is of another kind.
    """
    # True is an int to Python; nobody means it.
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        # A text may be a key that was passed in the wrong place.
        shown = repr(value) if isinstance(value, int | float) else f"a {type(value).__name__}"
        raise ConfigurationError(f"{name} can't be {shown}: {hint}")

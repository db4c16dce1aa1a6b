"""Checks of the client's arguments, so that a mistake is reported where it is made."""

from __future__ import annotations

from asyncscribe.errors import ConfigurationError


def check_kind(name: str, value: object, kinds: tuple[type, ...], hint: str) -> None:
    """Refuse an argument of a wrong type; None is always allowed.

    Args:
        name: The argument's name.
        value: Its value.
        kinds: The allowed types.
        hint: What to pass instead.

    Raises:
        ConfigurationError: It has another type.
    """
    # To Python, True is an int; here it is a mistake.
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        # Strings are not shown: one may be a key that was passed in the wrong place.
        shown = repr(value) if isinstance(value, int | float) else f"a {type(value).__name__}"
        raise ConfigurationError(f"{name} can't be {shown}: {hint}")

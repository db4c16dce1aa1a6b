"""A group of commands with a default command."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

#: The command that runs if none is named.
DEFAULT: Final = "run"


class DefaultCommandGroup(TyperGroup):
    """Treats arguments that do not begin with a command's name as those of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front if no command is named."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args.insert(0, DEFAULT)
        return super().parse_args(ctx, args)

"""A group of commands of which one need not be named."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

#: The command that is meant when none is named.
DEFAULT: Final = "run"


class DefaultCommandGroup(TyperGroup):
    """Takes what does not begin with a command's name as the arguments of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front where no command is named."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args.insert(0, DEFAULT)
        return super().parse_args(ctx, args)

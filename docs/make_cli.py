"""Write docs/cli.md, the reference of the commands, from their functions: `python docs/make_cli.py`, or `make docs`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from asyncscribe.cli.app import app
from asyncscribe.cli.exits import Exit

PAGE = Path(__file__).parent / "cli.md"
#: How values are named where the command does not say.
NAMES = {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT", datetime: "DATE"}
HEAD = """\
# Command line

All commands on one page, as `asyncscribe COMMAND --help` shows them. `pip install 'asyncscribe[cli]'` installs them,
`asyncscribe[local]` also the embedded server of `--local` and `serve`. The [tutorial](tutorial.md) uses them.

The API key is read from the environment variable `ASSEMBLYAI_API_KEY`, or from a file named `.env` in the working
folder; the address from `--base-url`, or from `ASSEMBLYAI_BASE_URL` in the same places.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *_exit_codes()]
    for name, callback in _commands(app, "asyncscribe"):
        parts += [f"\n## {name}\n", *(_text(callback) if isinstance(callback, str) else _command(name, callback))]
    return "\n".join(parts).rstrip() + "\n"


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| Code | |"
    yield "|---|---|"
    texts = inspect.getsource(Exit).split('"""')[3::2]
    for code, text in zip(Exit, texts, strict=True):
        yield f"| {code.value} | {text.rstrip('.')} |"


def _commands(group: typer.Typer, path: str) -> Iterator[tuple[str, Callable[..., Any] | str]]:
    """The commands with their functions, and groups of commands with their descriptions."""
    for command in group.registered_commands:
        if command.callback is not None and not command.hidden:
            yield f"{path} {command.name or command.callback.__name__.replace('_', '-')}", command.callback
    for below in group.registered_groups:
        if below.typer_instance is not None:
            yield f"{path} {below.name}", below.typer_instance.info.help or ""
            yield from _commands(below.typer_instance, f"{path} {below.name}")


def _text(description: str) -> Iterator[str]:
    yield description.replace("<", "&lt;") + "\n"  # no HTML


def _command(name: str, callback: Callable[..., Any]) -> Iterator[str]:
    parameters = [*_parameters(callback)]
    arguments = [shown for kind, shown, _, _ in parameters if kind is ArgumentInfo]
    yield f"    {' '.join([name, '[OPTIONS]', *arguments])}\n"
    yield from _text(inspect.getdoc(callback) or "")
    yield "| | |"
    yield "|---|---|"
    for _, shown, text, default in parameters:
        text += f" Default: `{default}`." if default else ""
        cells = [f"`{shown}`".replace("|", "\\|"), text.replace("|", "\\|").replace("<", "&lt;")]
        yield f"| {' | '.join(cells)} |"


def _parameters(callback: Callable[..., Any]) -> Iterator[tuple[type, str, str, str]]:
    """Each parameter's kind, how it is written, what it means, and its default where that says something."""
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        annotated = hints[name]
        if get_origin(annotated) is not Annotated:
            raise TypeError(f"{name} of {callback.__name__} has no typer.Option or typer.Argument")
        kind, info = get_args(annotated)[:2]
        if info.hidden:
            continue
        default = "" if parameter.default is inspect.Parameter.empty else _default(parameter.default)
        text = (info.help or "").strip()
        text = text if text.endswith((".", "]")) or not text else f"{text}."
        text += "".join(f" Environment variable: `{one}`." for one in _listed(info.envvar))
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or name.upper()
            if parameter.default is not inspect.Parameter.empty and not shown.startswith("["):
                shown = f"[{shown}]"
            yield ArgumentInfo, shown, text, default
        else:
            required = " Required." if parameter.default is inspect.Parameter.empty else ""
            yield OptionInfo, _option(name, kind, info), text + required, default


def _option(name: str, kind: Any, info: OptionInfo) -> str:
    # In `Annotated`, where there is no default to give, the first name stands in its place.
    given = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    names = sorted(given or [f"--{name.replace('_', '-')}"], key=len)
    kinds = [one for one in get_args(kind) if one is not NoneType] if _is_union(kind) else [kind]
    plain = kinds[0]
    plain = get_args(plain)[0] if get_origin(plain) is list else plain
    if plain is bool:
        return ", ".join(names)
    if info.metavar:
        value = info.metavar
    elif isinstance(plain, type) and issubclass(plain, Enum):
        value = "|".join(str(one.value) for one in plain)
    else:
        value = NAMES[plain]
    return f"{', '.join(names)} {value}"


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, UnionType}


def _default(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return "" if value is None or isinstance(value, bool) or value == [] else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

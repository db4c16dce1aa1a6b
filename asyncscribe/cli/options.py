"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from asyncscribe.cli.exits import UserError
from asyncscribe.models.config import TranscriptionConfig

OPTION = typer.Option(
    "--option",
    "-o",
    metavar="KEY=VALUE",
    help="A field of the API's request, e.g. speaker_labels=true or keyterms_prompt='[\"Dashwood\"]'. Can be repeated.",
)
LOCAL = typer.Option(
    "--local",
    help="Use the embedded server with its own speech engine (English): no key, no network, no cost.",
)
BASE_URL = typer.Option(
    "--base-url", metavar="URL", help="Address of the API, 'us' or 'eu' [default: ASSEMBLYAI_BASE_URL, else us]"
)
CONCURRENCY = typer.Option(
    "--concurrency",
    "-c",
    min=1,
    metavar="N",
    help="Jobs at the service at once; a free account runs 5.",
)

Options = Annotated[list[str] | None, OPTION]
Local = Annotated[bool, LOCAL]
BaseUrl = Annotated[str | None, BASE_URL]
Concurrency = Annotated[int, CONCURRENCY]


def parse_config(options: Sequence[str] | None) -> TranscriptionConfig:
    """The configuration that `--option KEY=VALUE`s describe. Values are JSON, or else plain strings.

    Raises:
        UserError: An option has no `=`, or a field is unknown or has a value that is not allowed.
    """
    fields: dict[str, Any] = {}
    for option in options or ():
        key, equals, value = option.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--option {option}: expected KEY=VALUE", "for example --option speaker_labels=true")
        fields[key.strip()] = _value(value)
    try:
        return TranscriptionConfig(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise UserError(
                f"--option {key}: there is no such field",
                f"if the API has it all the same: --option 'extra={{\"{key}\": ...}}'",
            ) from None
        raise UserError(f"--option {key}: {first['msg']}, not {first['input']!r}") from None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

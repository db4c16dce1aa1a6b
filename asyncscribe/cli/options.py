"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
    help="Jobs at the service at once; a free account runs 5. [default: finds the account's limit]",
)

CONFIG = typer.Option("--config", metavar="FILE", help="Fields of the request from a JSON or TOML file.")
SPEAKERS = typer.Option("--speakers", help="Tell speakers apart (speaker_labels).")
LANGUAGE = typer.Option("--language", "-l", metavar="CODE", help="Language, e.g. de; auto detects it.")
MODEL = typer.Option("--model", metavar="NAME", help="Speech model, in order of preference. Can be repeated.")
KEYTERM = typer.Option("--keyterm", "-k", metavar="TERM", help="A word or phrase to expect. Can be repeated.")
REDACT = typer.Option("--redact", metavar="POLICY", help="Personal data to redact, e.g. person_name. Can be repeated.")
MULTICHANNEL = typer.Option("--multichannel", help="One transcript per channel; billed per channel.")

Options = Annotated[list[str] | None, OPTION]
ConfigFile = Annotated[Path | None, CONFIG]
Speakers = Annotated[bool, SPEAKERS]
Language = Annotated[str | None, LANGUAGE]
Models = Annotated[list[str] | None, MODEL]
Keyterms = Annotated[list[str] | None, KEYTERM]
Redact = Annotated[list[str] | None, REDACT]
Multichannel = Annotated[bool, MULTICHANNEL]
Local = Annotated[bool, LOCAL]
BaseUrl = Annotated[str | None, BASE_URL]
Concurrency = Annotated[int | None, CONCURRENCY]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")]
FromFile = Annotated[
    Path | None,
    typer.Option("--from-file", metavar="FILE", help="Also the sources in this file, one a line; - is stdin."),
]
TranscriptArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the transcript.")]


def place(text: str) -> str:
    """The output folder of a batch. An empty name most likely comes from an unset shell variable."""
    if not text.strip():
        raise typer.BadParameter("it is empty; name a folder, or . for this one")
    return text


@dataclass(frozen=True, slots=True)
class Features:
    """The features that `transcribe` and `batch` are asked for, as typed."""

    options: Sequence[str] = ()
    config: Path | None = None
    speakers: bool = False
    language: str | None = None
    models: Sequence[str] = ()
    keyterms: Sequence[str] = ()
    redact: Sequence[str] = ()
    multichannel: bool = False

    def configuration(self) -> TranscriptionConfig:
        """The configuration: the file's fields, then those of the flags, then those of `--option`.

        Raises:
            UserError: The file can't be read, an option has no `=`, or a field is unknown or not allowed.
        """
        fields = {**self._from_file(), **self._from_flags(), **dict(map(_parse, self.options))}
        try:
            return TranscriptionConfig(**fields)
        except ValidationError as error:
            raise _mistake(error) from None

    def _from_file(self) -> dict[str, Any]:
        if self.config is None:
            return {}
        try:
            return fields_of(TranscriptionConfig.from_file(self.config))
        except OSError as error:
            raise UserError(f"--config {self.config}: {error.strerror or error}") from None
        except ValidationError as error:
            raise _mistake(error) from None
        except ValueError as error:
            raise UserError(
                f"--config {self.config}: {error}", "it has to be a JSON or TOML file with fields"
            ) from None

    def _from_flags(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self.speakers:
            fields["speaker_labels"] = True
        if self.multichannel:
            fields["multichannel"] = True
        if self.language is not None:
            fields |= {"language_detection": True} if self.language == "auto" else {"language_code": self.language}
        if self.models:
            fields["speech_models"] = list(self.models)
        if self.keyterms:
            fields["keyterms_prompt"] = list(self.keyterms)
        if self.redact:
            fields |= {"redact_pii": True, "redact_pii_policies": list(self.redact)}
        return fields


def fields_of(config: TranscriptionConfig) -> dict[str, Any]:
    """The fields that reproduce a configuration; unknown ones are in `extra`."""
    extra = dict(config.extra)
    known = {name: value for name, value in config.to_wire().items() if name not in extra}
    return {**known, "extra": extra} if extra else known


def _parse(option: str) -> tuple[str, Any]:
    key, equals, value = option.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--option {option}: expected KEY=VALUE", "for example --option speaker_labels=true")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value


def _mistake(error: ValidationError) -> UserError:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return UserError(
            f"{key}: there is no such field", f"if the API has it all the same: --option 'extra={{\"{key}\": ...}}'"
        )
    problem = first["msg"].removeprefix("Value error, ")
    return UserError(f"{key}: {problem}, not {first['input']!r}" if key else problem)

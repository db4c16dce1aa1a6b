"""The `speech_understanding` part of a request: tasks that run on the finished text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: Accepts any sequence of strings, and stores a tuple.
Strings = Annotated[Sequence[str], AfterValidator(tuple)]


class Task(BaseModel):
    """Base of the tasks; unknown fields are sent unchanged."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Translation(Task):
    """Translate the text.

    Attributes:
        target_languages: Language codes, at least one.
        formal: Use formal address.
        match_original_utterance: Translate utterance by utterance; needs `speaker_labels`.
    """

    target_languages: Strings = Field(min_length=1)
    formal: bool | None = None
    match_original_utterance: bool | None = None


class SpeakerIdentification(Task):
    """Give speakers names or roles; needs `speaker_labels` or `multichannel`.

    Attributes:
        speaker_type: `"role"` or `"name"`.
        known_values: The names or roles, each at most 35 characters; needed for roles unless `speakers` is given.
        speakers: Descriptions of the speakers, each with a `role` or a `name`.
    """

    speaker_type: str
    known_values: Annotated[Sequence[Annotated[str, Field(max_length=35)]], AfterValidator(tuple)] | None = None
    speakers: Annotated[Sequence[Mapping[str, Any]], AfterValidator(tuple)] | None = None


class CustomFormatting(Task):
    """Format dates, telephone numbers and addresses by a pattern.

    Attributes:
        date: For example `"mm/dd/yyyy"`.
        phone_number: For example `"(xxx)xxx-xxxx"`.
        email: For example `"username@domain.com"`.
    """

    date: str | None = None
    phone_number: str | None = None
    email: str | None = None


class Tasks(Task):
    """The tasks to run; they can be combined."""

    translation: Translation | None = None
    speaker_identification: SpeakerIdentification | None = None
    custom_formatting: CustomFormatting | None = None


class SpeechUnderstanding(Task):
    """The object as the API expects it: `{"request": {...}}`."""

    request: Tasks

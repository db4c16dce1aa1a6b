"""The `speech_understanding` part of a request: work that is done on the finished text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: Any sequence of texts is taken, and kept as a tuple.
Strings = Annotated[Sequence[str], AfterValidator(tuple)]


class Task(BaseModel):
    """Base of the tasks; a field that is not known yet is sent as it is."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Translation(Task):
    """Translate the text.

    Attributes:
        target_languages: Language codes, at least one.
        formal: Formal address.
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
    """Write dates, telephone numbers and addresses by a pattern.

    Attributes:
        date: For example `"mm/dd/yyyy"`.
        phone_number: For example `"(xxx)xxx-xxxx"`.
        email: For example `"username@domain.com"`.
    """

    date: str | None = None
    phone_number: str | None = None
    email: str | None = None


class Tasks(Task):
    """The tasks to do; several work together."""

    translation: Translation | None = None
    speaker_identification: SpeakerIdentification | None = None
    custom_formatting: CustomFormatting | None = None


class SpeechUnderstanding(Task):
    """The object as the API takes it: `{"request": {...}}`."""

    request: Tasks

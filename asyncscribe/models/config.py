"""What to do with a recording: the fields of `POST /v2/transcript`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

#: A share between 0 and 1.
Fraction = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CustomSpelling(_Options):
    """Spell every word of `from_` (case does not matter) as `to` (one word, its case is kept)."""

    from_: tuple[str, ...] = Field(alias="from")
    to: str


class SpeakerOptions(_Options):
    """Bounds for the number of speakers, with `speaker_labels`."""

    min_speakers_expected: int | None = Field(default=None, ge=1)
    max_speakers_expected: int | None = Field(default=None, ge=1)


class LanguageDetectionOptions(_Options):
    """How the language is detected, with `language_detection`."""

    expected_languages: tuple[str, ...] | None = None
    fallback_language: str | None = None
    code_switching: bool | None = None
    code_switching_confidence_threshold: Fraction | None = None
    on_low_language_confidence: Literal["error", "fallback"] | None = None


class TranscriptionConfig(_Options):
    """What the service is asked to do with a recording. Immutable; only fields that were set are sent.

    A field that this class does not know is an error, since a misspelt option would be paid for and ignored; a field
    that the service has and this class does not have yet goes into `extra`.

    Attributes:
        speech_models: Models in order of preference, e.g. `("universal-3-5-pro", "universal-2")`; unset, the account's
            default is used.
        language_code: Language spoken, e.g. `"en_us"`.
        language_codes: At most two languages that are mixed.
        language_detection: Detect the language; wants at least 15 s of speech.
        language_confidence_threshold: Below this confidence of the detected language the job fails, 0 to 1.
        language_detection_options: Details of the detection.
        audio_start_from: Start in the recording, milliseconds.
        audio_end_at: End in the recording, milliseconds.
        punctuate: Add punctuation (the service's default is true).
        format_text: Casing and numbers (the service's default is true).
        disfluencies: Keep fillers such as "um".
        filter_profanity: Mask swear words.
        custom_spelling: Words to spell in a given way.
        speech_threshold: Fail the job when less than this share of the audio is speech, 0 to 1.
        remove_audio_tags: `"all"` drops tags such as `[music]` from the text.
        temperature: Randomness of the universal-3 models, 0 to 1.
        prompt: Instructions for the universal-3 models, at most 1,500 words.
        keyterms_prompt: Words and phrases to expect.
        domain: `"medical-v1"` for medical speech.
        speaker_labels: Tell speakers apart.
        speakers_expected: Exact number of speakers; not together with `speaker_options`.
        speaker_options: Bounds of the number of speakers.
        multichannel: One transcript per channel; billed times the number of channels.
        redact_pii: Replace personal data in the text.
        redact_pii_policies: Kinds of personal data.
        redact_pii_sub: What stands in place of it.
        redact_pii_audio: Also make a redacted recording.
        redact_pii_audio_quality: Its format.
        entity_detection: List names, places, dates and so on.
        sentiment_analysis: A sentiment per sentence.
        auto_highlights: Key phrases.
        iab_categories: Topics.
        content_safety: Sensitive topics.
        content_safety_confidence: Least confidence of a sensitive topic, 25 to 100.
        auto_chapters: Chapters with a summary each (deprecated by the service).
        summarization: A summary (deprecated by the service).
        summary_model: Style of the summary.
        summary_type: Form of the summary.
        speech_understanding: The `speech_understanding` object as the API takes it.
        webhook_url: Where the service tells that the job has ended.
        webhook_auth_header_name: Header the service sends there.
        webhook_auth_header_value: Its value; not shown in the repr.
        extra: Further fields by their names in the API, sent as they are.
    """

    speech_models: tuple[str, ...] | None = Field(default=None, min_length=1)
    language_code: str | None = None
    language_codes: tuple[str, ...] | None = Field(default=None, max_length=2)
    language_detection: bool | None = None
    language_confidence_threshold: Fraction | None = None
    language_detection_options: LanguageDetectionOptions | None = None
    audio_start_from: Milliseconds | None = None
    audio_end_at: Milliseconds | None = None
    punctuate: bool | None = None
    format_text: bool | None = None
    disfluencies: bool | None = None
    filter_profanity: bool | None = None
    custom_spelling: tuple[CustomSpelling, ...] | None = None
    speech_threshold: Fraction | None = None
    remove_audio_tags: str | None = None
    temperature: Fraction | None = None
    prompt: str | None = None
    keyterms_prompt: tuple[str, ...] | None = Field(default=None, max_length=1_000)
    domain: str | None = None
    speaker_labels: bool | None = None
    speakers_expected: int | None = Field(default=None, ge=1)
    speaker_options: SpeakerOptions | None = None
    multichannel: bool | None = None
    redact_pii: bool | None = None
    redact_pii_policies: tuple[str, ...] | None = None
    redact_pii_sub: Literal["hash", "entity_name"] | None = None
    redact_pii_audio: bool | None = None
    redact_pii_audio_quality: Literal["mp3", "wav"] | None = None
    entity_detection: bool | None = None
    sentiment_analysis: bool | None = None
    auto_highlights: bool | None = None
    iab_categories: bool | None = None
    content_safety: bool | None = None
    content_safety_confidence: int | None = Field(default=None, ge=25, le=100)
    auto_chapters: bool | None = None
    summarization: bool | None = None
    summary_model: str | None = None
    summary_type: str | None = None
    speech_understanding: Mapping[str, Any] | None = None
    webhook_url: str | None = None
    webhook_auth_header_name: str | None = None
    webhook_auth_header_value: str | None = Field(default=None, repr=False)
    extra: Mapping[str, Any] = Field(default_factory=dict)

    def with_(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like a new one.

        Raises:
            pydantic.ValidationError: A field is unknown or its value is not allowed.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**(kept | changes))

    def to_wire(self) -> dict[str, Any]:
        """The fields that were set, by their names in the API."""
        fields = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude={"extra"})
        return fields | dict(self.extra)

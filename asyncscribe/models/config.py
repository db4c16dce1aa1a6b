"""What to do with a recording: the fields of `POST /v2/transcript`."""

from __future__ import annotations

import json
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, Unpack

from pydantic import BaseModel, ConfigDict, Field, model_validator

from asyncscribe.models.fields import ConfigFields
from asyncscribe.models.options import (
    LanguageCode,
    Open,
    PiiPolicy,
    RedactedAudioQuality,
    SpeechModel,
    SubstitutionPolicy,
    SummaryModel,
    SummaryType,
)
from asyncscribe.models.understanding import SpeechUnderstanding, Strings

#: Longest `prompt` in words, longest key term in words: https://www.assemblyai.com/docs, prompting and key terms.
LONGEST_PROMPT = 1_500
LONGEST_KEYTERM = 6
#: What to use instead of a field that the service has deprecated.
DEPRECATED = {
    "speech_model": "speech_models",
    "dual_channel": "multichannel",
    "word_boost": "keyterms_prompt",
    "boost_param": "keyterms_prompt",
    "auto_chapters": "speech_understanding, or the vendor's LLM gateway",
    "summarization": "speech_understanding, or the vendor's LLM gateway",
    "custom_topics": "iab_categories (it has no function any more)",
    "topics": "iab_categories (it has no function any more)",
}

#: A share between 0 and 1.
Fraction = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CustomSpelling(_Options):
    """Spell every word of `from_` (in any case) as `to` (one word, its case is kept)."""

    from_: tuple[str, ...] = Field(alias="from")
    to: Annotated[str, Field(pattern=r"^\S*$")]


class SpeakerOptions(_Options):
    """Bounds for the number of speakers, and how they are distinguished; with `speaker_labels`."""

    min_speakers_expected: int | None = Field(default=None, ge=1)
    max_speakers_expected: int | None = Field(default=None, ge=1)
    use_two_stage_clustering: bool | None = None
    short_file_diarization_method: str | None = None
    long_file_diarization_method: str | None = None
    include_speaker_confidence: bool | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        least, most = self.min_speakers_expected, self.max_speakers_expected
        if least is not None and most is not None and most < least:
            raise ValueError(f"max_speakers_expected must be at least min_speakers_expected ({least}), not {most}")
        return self


class LanguageDetectionOptions(_Options):
    """How the language is detected, with `language_detection`."""

    expected_languages: Strings | None = None
    fallback_language: str | None = None
    code_switching: bool | None = None
    code_switching_confidence_threshold: Fraction | None = None
    on_low_language_confidence: str | None = None
    on_no_speech_detected: str | None = None
    swiss_german: bool | None = None
    language_detection_model: str | None = None
    localization: Strings | None = None

    @model_validator(mode="after")
    def _fallback_is_expected(self) -> Self:
        expected, fallback = self.expected_languages, self.fallback_language
        if fallback not in {None, "auto"} and expected and fallback not in expected and "all" not in expected:
            raise ValueError(f"fallback_language must be 'auto' or one of {', '.join(expected)}, not {fallback!r}")
        return self


class RedactedAudioOptions(_Options):
    """Details of a redacted recording."""

    return_redacted_no_speech_audio: bool | None = None
    override_audio_redaction_method: str | None = None


class KeytermsOptions(_Options):
    """How strictly key terms are matched: `"standard"` or `"high"`."""

    keyterms_match_strength: str | None = None


class TranscriptionConfig(_Options):
    """What the service is asked to do with a recording. Immutable; only fields that were set are sent.

    An unknown field is an error, because a misspelt option would be ignored and still paid for; a field that the
    service has and this class does not have yet goes into `extra`.

    Attributes:
        speech_models: Models in order of preference, e.g. `("universal-3-5-pro", "universal-2")`; unset, the account's
            default is used.
        language_code: Language spoken, e.g. `"en_us"`.
        language_codes: At most two languages that are mixed.
        language_detection: Detect the language; needs at least 15 s of speech.
        language_confidence_threshold: Below this confidence of the detected language the job fails, 0 to 1.
        language_detection_options: Details of the detection.
        audio_start_from: Start in the recording, milliseconds.
        audio_end_at: End in the recording, milliseconds.
        punctuate: Add punctuation (the service's default is true).
        format_text: Format casing and numbers (the service's default is true).
        disfluencies: Keep fillers such as "um".
        filter_profanity: Mask swear words.
        custom_spelling: Words to spell in a given way.
        speech_threshold: Fail the job when less than this share of the audio is speech, 0 to 1.
        remove_audio_tags: `"all"` drops tags such as `[music]` from the text.
        temperature: Randomness of the universal-3 models, 0 to 1.
        prompt: Instructions for the universal-3 models, at most 1,500 words.
        keyterms_prompt: Words and phrases to expect.
        keyterms_prompt_options: How strictly they are matched.
        domain: `"medical-v1"` for medical speech.
        word_boost: Deprecated, use `keyterms_prompt`.
        boost_param: Deprecated, use `keyterms_prompt`.
        speaker_labels: Label who speaks.
        speakers_expected: Exact number of speakers; not together with `speaker_options`.
        speaker_options: Bounds of the number of speakers.
        multichannel: One transcript per channel; billed times the number of channels.
        redact_pii: Replace personal data in the text.
        redact_pii_policies: Kinds of personal data.
        redact_pii_sub: What replaces it.
        redact_pii_audio: Also make a redacted recording.
        redact_pii_audio_quality: Its format.
        redact_pii_audio_options: Details of it.
        redact_pii_return_unredacted: Also return the unredacted text.
        redact_static_entities: Terms to redact, by label.
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
        speech_understanding: Translation, names of speakers, formatting.
        custom_topics: Deprecated, has no function.
        topics: Deprecated, has no function.
        webhook_url: The URL that the service notifies when the job has ended.
        webhook_auth_header_name: Header that the service sends to it.
        webhook_auth_header_value: Its value; not shown in the repr.
        extra: Further fields by their names in the API, sent unchanged.
    """

    speech_models: tuple[Open[SpeechModel], ...] | None = Field(default=None, min_length=1)
    language_code: Open[LanguageCode] | None = None
    language_codes: tuple[Open[LanguageCode], ...] | None = Field(default=None, max_length=2)
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
    keyterms_prompt_options: KeytermsOptions | None = None
    domain: str | None = None
    word_boost: tuple[str, ...] | None = None
    boost_param: str | None = None
    speaker_labels: bool | None = None
    speakers_expected: int | None = Field(default=None, ge=1)
    speaker_options: SpeakerOptions | None = None
    multichannel: bool | None = None
    redact_pii: bool | None = None
    redact_pii_policies: tuple[Open[PiiPolicy], ...] | None = None
    redact_pii_sub: Open[SubstitutionPolicy] | None = None
    redact_pii_audio: bool | None = None
    redact_pii_audio_quality: Open[RedactedAudioQuality] | None = None
    redact_pii_audio_options: RedactedAudioOptions | None = None
    redact_pii_return_unredacted: bool | None = None
    redact_static_entities: Mapping[str, tuple[str, ...]] | None = None
    entity_detection: bool | None = None
    sentiment_analysis: bool | None = None
    auto_highlights: bool | None = None
    iab_categories: bool | None = None
    content_safety: bool | None = None
    content_safety_confidence: int | None = Field(default=None, ge=25, le=100)
    auto_chapters: bool | None = None
    summarization: bool | None = None
    summary_model: Open[SummaryModel] | None = None
    summary_type: Open[SummaryType] | None = None
    custom_topics: bool | None = None
    topics: tuple[str, ...] | None = None
    speech_understanding: SpeechUnderstanding | None = None
    webhook_url: str | None = None
    webhook_auth_header_name: str | None = None
    webhook_auth_header_value: str | None = Field(default=None, repr=False)
    extra: Mapping[str, Any] = Field(default_factory=dict)

    if TYPE_CHECKING:
        # Accepts more types than it stores: any sequence for a tuple, a mapping for nested options.
        def __init__(self, **fields: Unpack[ConfigFields]) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _replace_deprecated(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        for name, replacement in DEPRECATED.items():
            if fields.get(name) is not None and fields[name] is not False:
                warnings.warn(f"{name} is deprecated: use {replacement}", DeprecationWarning, stacklevel=2)
        current = dict(fields)
        if (model := current.pop("speech_model", None)) is not None:
            current.setdefault("speech_models", [model])
        if (channels := current.pop("dual_channel", None)) is not None:
            current.setdefault("multichannel", channels)
        return current

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in _conflicts(self):
            raise ValueError(problem)
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a configuration from a JSON or TOML file (by its suffix), fields by their API names.

        Raises:
            OSError: The file can't be read.
            ValueError: It is not JSON or TOML, or a field is unknown or not allowed (a `pydantic.ValidationError`).
        """
        path = Path(path)
        content = path.read_text(encoding="utf-8")
        fields = tomllib.loads(content) if path.suffix.lower() == ".toml" else json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError(f"{path} must hold an object with fields")  # noqa: TRY004 - the content is wrong
        return cls(**fields)

    def with_(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like a new one.

        Raises:
            pydantic.ValidationError: A field is unknown, or its value is not allowed.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**(kept | changes))

    def with_webhook(self, url: str, *, header_name: str | None = None, header_value: str | None = None) -> Self:
        """Return a copy that makes the service call `url` when the job has ended.

        Args:
            url: Reachable from the internet; its query is kept, so it can carry data for the receiver.
            header_name: Header that the service sends along, for the receiver to check.
            header_value: Its value, a secret of the caller.

        Raises:
            pydantic.ValidationError: Only one of name and value is given.
        """
        changes = {"webhook_auth_header_name": header_name, "webhook_auth_header_value": header_value}
        return self.with_(webhook_url=url, **changes)

    def to_wire(self) -> dict[str, Any]:
        """The fields that were set, by their names in the API."""
        return dict(self._wire)

    @cached_property
    def _wire(self) -> dict[str, Any]:
        # Made once: thousands of jobs share a configuration.
        fields = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude={"extra"})
        return fields | dict(self.extra)


def _conflicts(config: TranscriptionConfig) -> Iterator[str]:
    """Conflicts between fields; the rules are the API's (its reference, and 400s that were seen)."""
    given = {name for name in config.model_fields_set if getattr(config, name) is not None}

    def on(name: str) -> bool:
        return bool(getattr(config, name))

    for name, needed in _NEEDS:
        if name in given and getattr(config, name) is not False and not any(map(on, needed)):
            yield f"{name} needs {' or '.join(needed)}"
    for one, other in _EXCLUDES:
        if on(one) and on(other):
            yield f"{one} and {other} can't be used together"
    for name, needed_true in _NEEDS_NOT_FALSE:
        if on(name) and getattr(config, needed_true) is False:
            yield f"{name} needs {needed_true}, which is switched off"
    if "audio_url" in config.extra:
        yield "extra must not hold audio_url: it is set from the source"
    yield from _conflicts_of_values(config)
    yield from _conflicts_of_understanding(config)


_NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("redact_pii", ("redact_pii_policies", "redact_static_entities")),
    # Without `redact_pii` the service ignores these, and returns the data that they should hide.
    ("redact_pii_policies", ("redact_pii",)),
    ("redact_pii_sub", ("redact_pii",)),
    ("redact_static_entities", ("redact_pii",)),
    ("redact_pii_audio", ("redact_pii",)),
    ("redact_pii_return_unredacted", ("redact_pii",)),
    ("content_safety_confidence", ("content_safety",)),
    ("language_detection_options", ("language_detection",)),
    ("speakers_expected", ("speaker_labels",)),
    ("speaker_options", ("speaker_labels",)),
    ("summary_model", ("summarization",)),
    ("summary_type", ("summarization",)),
    ("webhook_auth_header_name", ("webhook_auth_header_value",)),
    ("webhook_auth_header_value", ("webhook_auth_header_name",)),
    ("webhook_auth_header_name", ("webhook_url",)),
)
_EXCLUDES = (("speakers_expected", "speaker_options"), ("auto_chapters", "summarization"))
_NEEDS_NOT_FALSE = (
    ("auto_chapters", "punctuate"),
    ("summarization", "punctuate"),
    ("summarization", "format_text"),
)


def _conflicts_of_values(config: TranscriptionConfig) -> Iterator[str]:
    start, end = config.audio_start_from, config.audio_end_at
    if end is not None and end <= (start or 0):
        yield f"audio_end_at must be more than audio_start_from ({start or 0}), not {end}"
    if config.language_codes and not any(code.split("_")[0] == "en" for code in config.language_codes):
        yield f"language_codes must hold 'en', not only {', '.join(config.language_codes)}"
    if config.prompt and (words := len(config.prompt.split())) > LONGEST_PROMPT:
        yield f"prompt has {words} words, {LONGEST_PROMPT} are allowed"
    for term in config.keyterms_prompt or ():
        if len(term.split()) > LONGEST_KEYTERM:
            yield f"keyterms_prompt: {term!r} has more than {LONGEST_KEYTERM} words"


def _conflicts_of_understanding(config: TranscriptionConfig) -> Iterator[str]:
    if config.speech_understanding is None:
        return
    tasks = config.speech_understanding.request
    if tasks.speaker_identification and not (config.speaker_labels or config.multichannel):
        yield "speaker_identification needs speaker_labels or multichannel"
    if tasks.translation and tasks.translation.match_original_utterance and not config.speaker_labels:
        yield "match_original_utterance needs speaker_labels"
    identification = tasks.speaker_identification
    if (
        identification
        and identification.speaker_type == "role"
        and not (identification.known_values or identification.speakers)
    ):
        yield "speaker_identification by role needs known_values or speakers"

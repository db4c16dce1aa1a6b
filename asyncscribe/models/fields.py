"""The types that a configuration's fields accept, for type checkers: more than it stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from asyncscribe.models.config import (
        CustomSpelling,
        KeytermsOptions,
        LanguageDetectionOptions,
        RedactedAudioOptions,
        SpeakerOptions,
    )
    from asyncscribe.models.options import (
        LanguageCode,
        PiiPolicy,
        RedactedAudioQuality,
        SpeechModel,
        SubstitutionPolicy,
        SummaryModel,
        SummaryType,
    )
    from asyncscribe.models.understanding import SpeechUnderstanding


class ConfigFields(TypedDict, total=False):
    """The fields of a `TranscriptionConfig`, to construct it or to pass in its place; see there for their meaning.

    Any sequence is accepted for a tuple, and a mapping for nested options.
    """

    speech_models: Sequence[SpeechModel | str] | None
    language_code: LanguageCode | str | None
    language_codes: Sequence[LanguageCode | str] | None
    language_detection: bool | None
    language_confidence_threshold: float | None
    language_detection_options: LanguageDetectionOptions | Mapping[str, Any] | None
    audio_start_from: int | None
    audio_end_at: int | None
    punctuate: bool | None
    format_text: bool | None
    disfluencies: bool | None
    filter_profanity: bool | None
    custom_spelling: Sequence[CustomSpelling | Mapping[str, Any]] | None
    speech_threshold: float | None
    remove_audio_tags: str | None
    temperature: float | None
    prompt: str | None
    keyterms_prompt: Sequence[str] | None
    keyterms_prompt_options: KeytermsOptions | Mapping[str, Any] | None
    domain: str | None
    word_boost: Sequence[str] | None
    boost_param: str | None
    speaker_labels: bool | None
    speakers_expected: int | None
    speaker_options: SpeakerOptions | Mapping[str, Any] | None
    multichannel: bool | None
    redact_pii: bool | None
    redact_pii_policies: Sequence[PiiPolicy | str] | None
    redact_pii_sub: SubstitutionPolicy | str | None
    redact_pii_audio: bool | None
    redact_pii_audio_quality: RedactedAudioQuality | str | None
    redact_pii_audio_options: RedactedAudioOptions | Mapping[str, Any] | None
    redact_pii_return_unredacted: bool | None
    redact_static_entities: Mapping[str, Sequence[str]] | None
    entity_detection: bool | None
    sentiment_analysis: bool | None
    auto_highlights: bool | None
    iab_categories: bool | None
    content_safety: bool | None
    content_safety_confidence: int | None
    auto_chapters: bool | None
    summarization: bool | None
    summary_model: SummaryModel | str | None
    summary_type: SummaryType | str | None
    custom_topics: bool | None
    topics: Sequence[str] | None
    speech_understanding: SpeechUnderstanding | Mapping[str, Any] | None
    webhook_url: str | None
    webhook_auth_header_name: str | None
    webhook_auth_header_value: str | None
    extra: Mapping[str, Any]
    speech_model: SpeechModel | str | None
    dual_channel: bool | None

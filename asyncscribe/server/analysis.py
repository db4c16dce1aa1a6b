"""Results besides the words. The simulated engine's are made by rule; the real engine has none and says so.

Nothing is invented for real speech: results that were requested but can't be made are returned in the format that the
service uses for results it could not make, with status `unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncscribe.server import exports

UNAVAILABLE: dict[str, dict[str, Any]] = {
    "auto_highlights_result": {"status": "unavailable", "results": []},
    "content_safety_labels": {"status": "unavailable", "results": [], "summary": {}, "severity_score_summary": {}},
    "iab_categories_result": {"status": "unavailable", "results": [], "summary": {}},
}
_ASKED_BY = {
    "auto_highlights_result": "auto_highlights",
    "content_safety_labels": "content_safety",
    "iab_categories_result": "iab_categories",
}
#: Request fields that ask for results made from the words.
_MADE = (
    *("auto_chapters", "entity_detection", "sentiment_analysis", "summarization"),
    *_ASKED_BY.values(),
)


def unavailable(request: Mapping[str, Any]) -> dict[str, Any]:
    """The results of an engine that has none."""
    return {name: UNAVAILABLE[name] for name, field in _ASKED_BY.items() if request.get(field)} | _understanding(
        request, "unavailable"
    )


def simulated(request: Mapping[str, Any], words: exports.Words) -> dict[str, Any]:
    """Results made by rule from a request and its words."""
    if not any(request.get(field) for field in _MADE):
        return _understanding(request, "success")
    found = exports.sentences(words)
    span = {"start": words[0]["start"], "end": words[-1]["end"]} if words else {"start": 0, "end": 0}
    text = " ".join(word["text"] for word in words)
    makers: dict[str, tuple[str, Any]] = {
        "auto_chapters": (
            "chapters",
            [{"gist": "simulated", "headline": "A simulated chapter", "summary": text, **span}],
        ),
        "entity_detection": (
            "entities",
            [{"entity_type": "event", "text": w["text"], **_span(w)} for w in words if w["text"] == "transcript"],
        ),
        "sentiment_analysis": ("sentiment_analysis_results", [_sentiment(n, s) for n, s in enumerate(found)]),
        "summarization": ("summary", "- A simulated summary"),
        "auto_highlights": ("auto_highlights_result", _highlights(words)),
        "content_safety": ("content_safety_labels", _safety(found)),
        "iab_categories": ("iab_categories_result", _topics(found)),
    }
    results = {name: value for field, (name, value) in makers.items() if request.get(field)}
    return results | _understanding(request, "success")


def _span(item: Mapping[str, Any]) -> dict[str, int]:
    return {"start": item["start"], "end": item["end"]}


def _sentiment(number: int, sentence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": sentence["text"],
        **_span(sentence),
        "sentiment": ("POSITIVE", "NEUTRAL", "NEGATIVE")[number % 3],
        "confidence": 0.8,
        "speaker": sentence["speaker"],
        "channel": sentence["channel"],
    }


def _highlights(words: exports.Words) -> dict[str, Any]:
    said = [word for word in words if word["text"] == "transcript"]
    results = [{"count": len(said), "rank": 0.9, "text": "transcript", "timestamps": [_span(word) for word in said]}]
    return {"status": "success", "results": results if said else []}


def _safety(found: list[dict[str, Any]]) -> dict[str, Any]:
    results = [
        {
            "text": sentence["text"],
            "labels": [{"label": "gambling", "confidence": 0.9, "severity": 0.1}],
            "sentences_idx_start": number,
            "sentences_idx_end": number,
            "timestamp": _span(sentence),
        }
        for number, sentence in enumerate(found[:1])
    ]
    shares = {"gambling": {"low": 0.9, "medium": 0.1, "high": 0.0}} if results else {}
    summary = {"gambling": 0.9} if results else {}
    return {"status": "success", "results": results, "summary": summary, "severity_score_summary": shares}


def _topics(found: list[dict[str, Any]]) -> dict[str, Any]:
    label = "Technology&Computing>Computing"
    results = [
        {"text": sentence["text"], "labels": [{"relevance": 0.7, "label": label}], "timestamp": _span(sentence)}
        for sentence in found[:1]
    ]
    return {"status": "success", "results": results, "summary": {label: 0.7} if results else {}}


def _understanding(request: Mapping[str, Any], status: str) -> dict[str, Any]:
    asked = request.get("speech_understanding")
    if not asked:
        return {}
    tasks = asked["request"]
    response: dict[str, Any] = {}
    results: dict[str, Any] = {}
    if tasks.get("translation"):
        response["translation"] = {"status": status}
        if status == "success":
            languages = tasks["translation"].get("target_languages", [])
            results["translated_texts"] = {language: f"simulated in {language}" for language in languages}
    if tasks.get("speaker_identification"):
        mapping = dict(zip("AB", tasks["speaker_identification"].get("known_values") or (), strict=False))
        response["speaker_identification"] = {"status": status, "mapping": mapping if status == "success" else {}}
    if tasks.get("custom_formatting"):
        response["custom_formatting"] = {"status": status, "mapping": {}}
    return results | {"speech_understanding": {"request": tasks, "response": response}}

"""What the server answers and what the client asks, held against the vendor's OpenAPI document."""

import asyncio
import json
from functools import cache

import aiohttp
import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import TranscriptionConfig
from asyncscribe.api import protocol
from asyncscribe.models.options import PiiPolicy, SpeechModel, SummaryType
from asyncscribe.server import LocalServer
from tests.support import KEY, SHARED, recording

DOCUMENT = SHARED / "api" / "openapi.yml"
pytestmark = pytest.mark.skipif(not DOCUMENT.is_file(), reason="the OpenAPI document of ../shared/api is not here")
HEADERS = {"Authorization": KEY}


@cache
def openapi():
    # YAML 1.1 reads the language code "no" as false.
    loader = type("Loader", (yaml.CSafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(DOCUMENT.read_text(), Loader=loader)


@cache
def validator(name):
    # The document's alternatives overlap (a result of speech understanding fits three of them), so that its `oneOf`
    # refuses what it means to allow: any one of them has to fit.
    components = json.loads(json.dumps(openapi()["components"]).replace('"oneOf"', '"anyOf"'))
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    return jsonschema.Draft202012Validator(schema)


def problems(name, value):
    found = validator(name).iter_errors(value)
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in found]


@pytest.fixture
async def http(nothing_left):
    async with LocalServer(limit=2, api_key=KEY, redaction_seconds=60) as server:
        async with aiohttp.ClientSession(server.base_url, headers=HEADERS) as session:
            yield session


async def ask(http, method, path, expected=200, **options):
    async with http.request(method, path, **options) as response:
        assert response.status == expected, await response.text()
        return await response.json()


async def ended(http, identifier):
    while True:
        document = await ask(http, "GET", f"/v2/transcript/{identifier}")
        if document["status"] in {"completed", "error"}:
            return document
        await asyncio.sleep(0.005)


FEATURES = [
    {},
    {"speaker_labels": True, "speaker_options": {"min_speakers_expected": 2}, "sentiment_analysis": True},
    {"entity_detection": True, "auto_highlights": True, "content_safety": True, "iab_categories": True},
    {"auto_chapters": True},
    {"summarization": True, "summary_type": "gist", "summary_model": "informative"},
    {"multichannel": True, "punctuate": False, "language_code": "en", "audio_start_from": 0, "audio_end_at": 900},
    {"redact_pii": True, "redact_pii_policies": ["person_name"], "redact_pii_sub": "hash", "redact_pii_audio": True},
    {"custom_spelling": [{"from": ["a"], "to": "b"}], "keyterms_prompt": ["x"], "speech_threshold": 0.5},
    {"speech_understanding": {"request": {"translation": {"target_languages": ["de"], "formal": True}}}},
]


@pytest.mark.parametrize("fields", FEATURES, ids=lambda fields: "+".join(fields) or "plain")
async def test_transcripts_in_every_state_are_valid(http, fields):
    request = {"speech_models": ["universal-2"], "audio_url": recording(words=20, duration=9), **fields}
    created = await ask(http, "POST", "/v2/transcript", json=request)
    assert problems("Transcript", created) == []
    completed = await ended(http, created["id"])
    assert completed["status"] == "completed"
    assert problems("Transcript", completed) == []
    deleted = await ask(http, "DELETE", f"/v2/transcript/{created['id']}")
    assert problems("Transcript", deleted) == []


async def test_failed_transcripts_lists_and_errors_are_valid(http):
    request = {"audio_url": recording(error="Transcoding failed")}
    failed = await ask(http, "POST", "/v2/transcript", json=request)
    assert problems("Transcript", await ended(http, failed["id"])) == []
    for query in ("", "?limit=1", "?status=error", "?status=completed"):
        page = await ask(http, "GET", f"/v2/transcript{query}")
        assert problems("TranscriptList", page) == []
    for method, path, status in [
        ("GET", "/v2/transcript/nobody", 400),
        ("POST", "/v2/transcript", 400),
        ("GET", "/v2/nothing", 404),
    ]:
        assert problems("Error", await ask(http, method, path, status)) == []
    wrong = {"headers": {"Authorization": "wrong"}}
    assert problems("Error", await ask(http, "GET", "/v2/transcript", 401, **wrong)) == []


async def test_uploads_and_views_are_valid(http):
    uploaded = await ask(http, "POST", "/v2/upload", data=b"\0" * 320_000)
    assert problems("UploadedFile", uploaded) == []
    created = await ask(http, "POST", "/v2/transcript", json={"audio_url": uploaded["upload_url"]})
    await ended(http, created["id"])
    base = f"/v2/transcript/{created['id']}"
    for path, name in [
        ("/sentences", "SentencesResponse"),
        ("/paragraphs", "ParagraphsResponse"),
        ("/word-search?words=transcript", "WordSearchResponse"),
    ]:
        assert problems(name, await ask(http, "GET", base + path)) == []


async def test_the_link_of_redacted_audio_is_valid(nothing_left):
    async with LocalServer(api_key=KEY) as server, aiohttp.ClientSession(server.base_url, headers=HEADERS) as http:
        fields = FEATURES[6] | {"audio_url": recording()}
        created = await ask(http, "POST", "/v2/transcript", json=fields)
        await ended(http, created["id"])
        link = await ask(http, "GET", f"/v2/transcript/{created['id']}/redacted-audio")
    assert problems("RedactedAudioResponse", link) == []


booleans = (
    "punctuate format_text disfluencies filter_profanity entity_detection sentiment_analysis auto_highlights "
    "iab_categories multichannel"
)
optional = {
    **{name: st.booleans() for name in booleans.split()},
    "language_code": st.sampled_from(["en", "de", "no"]),
    "audio_start_from": st.integers(0, 10**6),
    "speech_threshold": st.floats(0, 1),
    "temperature": st.floats(0, 1),
    "prompt": st.text(max_size=10),
    "keyterms_prompt": st.lists(st.text("ab ", max_size=5), max_size=3),
    "custom_spelling": st.just([{"from": ["a"], "to": "b"}]),
    "remove_audio_tags": st.just("all"),
}
together = st.sampled_from(
    [
        {},
        {"redact_pii": True, "redact_pii_policies": ["drug", PiiPolicy.PERSON_NAME], "redact_pii_audio": True},
        {"redact_pii": True, "redact_pii_policies": ["event"], "redact_pii_sub": "entity_name"},
        {"content_safety": True, "content_safety_confidence": 25},
        {
            "language_detection": True,
            "language_detection_options": {"expected_languages": ["en"], "code_switching": True},
        },
        {"speaker_labels": True, "speaker_options": {"min_speakers_expected": 1, "max_speakers_expected": 3}},
        {"speaker_labels": True, "speakers_expected": 2},
        {"webhook_url": "https://a.test", "webhook_auth_header_name": "X", "webhook_auth_header_value": "y"},
        {"speech_understanding": {"request": {"translation": {"target_languages": ["de"]}}}},
        {"speech_understanding": {"request": {"custom_formatting": {"date": "mm/dd"}}}},
        {
            "speaker_labels": True,
            "speech_understanding": {"request": {"speaker_identification": {"speaker_type": "name"}}},
        },
        {
            "summarization": True,
            "summary_type": SummaryType.GIST,
            "summary_model": "catchy",
            "punctuate": True,
            "format_text": True,
        },
    ]
)


@pytest.mark.filterwarnings("ignore:.* is deprecated. use:DeprecationWarning")
@given(st.fixed_dictionaries({}, optional=optional), together, st.sampled_from(SpeechModel))
def test_every_request_that_the_client_sends_is_valid(fields, group, model):
    config = TranscriptionConfig(**{**fields, **group, "speech_models": [model]})
    request = protocol.create_transcript("https://a.test/b.mp3", config)
    # `TranscriptParams` demands two sets of fields of which each forbids the other's; they are looked at apart.
    fields = dict(request.json)
    assert fields.pop("audio_url") == "https://a.test/b.mp3"
    assert problems("TranscriptOptionalParams", fields) == []


def test_every_field_of_the_document_is_a_field_of_the_configuration():
    described = set(openapi()["components"]["schemas"]["TranscriptOptionalParams"]["properties"])
    known = set(TranscriptionConfig.model_fields) | {"speech_model"}
    assert described - known == set()

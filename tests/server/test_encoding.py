import json

import pytest

from asyncscribe.server.encoding import Shared, encode

TRAP = 'he said "words": null and \\"words\\": null'


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "a", "text": None, "words": None, "utterances": None},
        {"text": TRAP, "words": Shared([{"text": TRAP}]), "utterances": Shared([]), "keyterms_prompt": ["words"]},
        {"text": TRAP, "words": Shared([{"words": None, "utterances": None}]), "utterances": Shared([1])},
        {"words": Shared(["é"]), "utterances": None, "topics": {"words": None}},
    ],
)
def test_a_document_is_encoded_as_json_does_it(document):
    assert encode(document) == json.dumps(document).encode()

"""Work that is done on the finished text."""

import pytest
from pydantic import ValidationError

from asyncscribe import TranscriptionConfig
from asyncscribe.models.understanding import SpeakerIdentification, SpeechUnderstanding, Tasks, Translation


def wire(**tasks):
    return SpeechUnderstanding(request=Tasks(**tasks)).model_dump(mode="json", exclude_unset=True)


def test_tasks_go_out_as_the_service_takes_them():
    assert wire(translation=Translation(target_languages=["de", "fr"], formal=True)) == {
        "request": {"translation": {"target_languages": ["de", "fr"], "formal": True}}
    }


def test_a_task_and_a_field_that_are_not_known_yet_are_sent():
    assert wire(poetry={"metre": "iambic"}, custom_formatting={"date": "mm/dd", "new": 1}) == {
        "request": {"poetry": {"metre": "iambic"}, "custom_formatting": {"date": "mm/dd", "new": 1}}
    }


@pytest.mark.parametrize(
    "tasks",
    [
        {"translation": {"target_languages": []}},
        {"translation": {}},
        {"translation": {"target_languages": "de", "formal": "perhaps"}},
        {"speaker_identification": {}},
        {"speaker_identification": {"speaker_type": "name", "known_values": ["x" * 36]}},
    ],
)
def test_what_the_service_would_refuse_is_refused_here(tasks):
    with pytest.raises(ValidationError):
        SpeechUnderstanding.model_validate({"request": tasks})


def test_a_sequence_that_changes_later_changes_nothing():
    values = ["Ann"]
    task = SpeakerIdentification(speaker_type="name", known_values=values)
    values.append("Bob")
    assert task.known_values == ("Ann",)
    with pytest.raises(ValidationError, match="frozen"):
        task.speaker_type = "role"


def test_a_request_without_tasks_is_none():
    with pytest.raises(ValidationError):
        SpeechUnderstanding.model_validate({})


def test_in_a_configuration_a_mapping_will_do():
    mapping = {"request": {"translation": {"target_languages": ["de"]}}}
    config = TranscriptionConfig(speech_understanding=mapping)
    assert config.to_wire() == {"speech_understanding": mapping}
    assert config.speech_understanding == SpeechUnderstanding(
        request=Tasks(translation=Translation(target_languages=["de"]))
    )

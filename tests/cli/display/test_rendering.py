import pytest

from asyncscribe.batch import BatchOutcome
from asyncscribe.batch.inputs.discovery import BatchItem
from asyncscribe.cli.display.rendering import EVENT_TYPES, Plain
from asyncscribe.events import Event


def outcome(name="a.wav", error=None) -> BatchOutcome:
    return BatchOutcome(BatchItem(name, name), None, error, (), 1, 1.5)


def test_every_event_has_a_type_for_programs():
    assert set(EVENT_TYPES) == set(Event.__args__)


@pytest.mark.parametrize("name", ["caf\udce9.wav", "日本語.wav"])
def test_odd_names_can_be_shown(capsys, name):
    plain = Plain()
    plain.finished(outcome(name))
    assert ".wav" in capsys.readouterr().err

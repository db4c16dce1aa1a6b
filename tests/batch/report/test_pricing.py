"""What transcription costs, guessed rather too high than too low."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe import TranscriptionConfig
from asyncscribe.batch.report.pricing import USD_PER_HOUR, price_per_hour
from asyncscribe.models.options import SpeechModel

DEAREST = max(USD_PER_HOUR.values())


@pytest.mark.parametrize("model", sorted(USD_PER_HOUR))
def test_a_model_that_is_asked_for_costs_its_price(model):
    assert price_per_hour(TranscriptionConfig(speech_models=[model])) == USD_PER_HOUR[model]


def test_where_none_is_asked_for_the_dearest_counts():
    assert price_per_hour(TranscriptionConfig()) == DEAREST


def test_a_model_whose_price_is_not_known_counts_as_the_dearest():
    models = [SpeechModel.UNIVERSAL_2, "universal-9"]
    assert price_per_hour(TranscriptionConfig(speech_models=models)) == DEAREST


@given(st.lists(st.sampled_from(SpeechModel) | st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4))
def test_of_several_models_none_is_dearer_than_what_is_told(models):
    price = price_per_hour(TranscriptionConfig(speech_models=models))
    assert all(price >= price_per_hour(TranscriptionConfig(speech_models=[model])) for model in models)
    assert price <= DEAREST


def test_prices_are_of_models_that_there_are():
    assert set(USD_PER_HOUR) <= set(SpeechModel)

"""What transcription costs, as far as the service publishes it. Pure; the one place that knows a price."""

from __future__ import annotations

from datetime import date
from typing import Final

from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.models.options import SpeechModel

#: When the prices were looked up (https://www.assemblyai.com/pricing).
PRICES_OF: Final = date(2026, 10, 1)

#: US dollars for an hour of audio, without analysis features, which cost extra.
USD_PER_HOUR: Final = {
    SpeechModel.UNIVERSAL_3_5_PRO.value: 0.21,
    SpeechModel.UNIVERSAL_2.value: 0.15,
}


def price_per_hour(config: TranscriptionConfig) -> float:
    """US dollars for an hour of audio with a configuration.

    The price of the most expensive model that is asked for; of the most expensive of all, if none is asked for or a
    price is unknown.
    """
    dearest = max(USD_PER_HOUR.values())
    models = [str(model) for model in config.speech_models or ()]
    return max((USD_PER_HOUR.get(model, dearest) for model in models), default=dearest)

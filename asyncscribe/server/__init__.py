"""A server of the same HTTP API on loopback, with a real speech engine and a simulated one.

It shares no code with the client that reads or writes the API, so that a misread field is not misread on both ends.
"""

from asyncscribe.server.engines.base import Engine, EngineError, Recognition, Recording, SpokenWord
from asyncscribe.server.engines.pocketsphinx import PocketSphinxEngine
from asyncscribe.server.engines.simulated import SimulatedEngine
from asyncscribe.server.faults import FaultPlan, FaultRule
from asyncscribe.server.local import LocalServer
from asyncscribe.server.rates import RateLimit

__all__ = [
    "Engine",
    "EngineError",
    "FaultPlan",
    "FaultRule",
    "LocalServer",
    "PocketSphinxEngine",
    "RateLimit",
    "Recognition",
    "Recording",
    "SimulatedEngine",
    "SpokenWord",
]

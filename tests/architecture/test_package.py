import inspect
import subprocess
import sys
import types

import asyncscribe
from asyncscribe import server
from tests.support import plain_environment

HEAVY = """
typer rich pocketsphinx av sounddevice sqlite3 opentelemetry
asyncscribe.server asyncscribe.cli asyncscribe.batch asyncscribe.sync asyncscribe.telemetry asyncscribe.testing
""".split()


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain_environment()
    )
    return set(result.stdout.split())


def test_the_package_shows_its_public_names_and_nothing_else():
    shown = {
        name
        for name, value in vars(asyncscribe).items()
        if not isinstance(value, types.ModuleType) and (not name.startswith("_") or name == "__version__")
    }
    assert shown - {"Batch", "Client"} == set(asyncscribe.__all__) - {"Batch", "Client"}
    assert list(asyncscribe.__all__) == sorted(asyncscribe.__all__)


def test_every_public_name_is_described():
    undescribed = [
        name
        for name in asyncscribe.__all__
        if inspect.isclass(value := getattr(asyncscribe, name)) and not inspect.getdoc(value)
    ]
    assert not undescribed


def test_importing_it_loads_neither_commands_nor_server_nor_engine():
    assert not loaded_by("import asyncscribe") & set(HEAVY)


def test_the_server_loads_its_engines_packages_only_when_they_are_used():
    assert not loaded_by("import asyncscribe.server") & {"pocketsphinx", "av", "sounddevice"}


def test_recognising_speech_never_loads_sounddevice():
    assert "sounddevice" not in loaded_by("import asyncscribe.server, pocketsphinx; pocketsphinx.Decoder")


def test_the_servers_names_are_there():
    assert all(hasattr(server, name) for name in server.__all__)


def test_types_are_shipped():
    from importlib.resources import files

    assert (files("asyncscribe") / "py.typed").is_file()

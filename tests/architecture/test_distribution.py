"""What is uploaded: built away from here, installed into a fresh environment, and run there."""

import configparser
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile

import pytest

from asyncscribe import __version__
from tests.support import ROOT, plain_environment

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def run(*command, cwd, check=True):
    environment = {name: value for name, value in plain_environment().items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


def install(python, *what, cwd):
    """Install, or skip the test where what is needed can't be fetched."""
    result = run(python, "-m", "pip", "install", "--quiet", *what, cwd=cwd, check=False)
    if result.returncode:
        pytest.skip(f"{' '.join(map(str, what))} can't be installed: {result.stderr.strip().splitlines()[-1]}")


def environment(folder):
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built from it alone."""
    folder = tmp_path_factory.mktemp("build")
    python = environment(folder / "venv") / "python"
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    install(python, "build", *requires, cwd=folder)
    run(python, "-m", "build", "--no-isolation", "--outdir", folder / "dist", ROOT, cwd=folder)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The programs of an environment that has the wheel without any extra."""
    folder = tmp_path_factory.mktemp("installed")
    programs = environment(folder / "venv")
    install(programs / "python", built[1], cwd=folder)
    return programs


def test_the_sdist_has_what_it_promises(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "pyproject.toml",
        "PKG-INFO", "asyncscribe/py.typed", "asyncscribe_pytest.py", "tests/conftest.py", "docs/guide.md",
        "examples/one_file.py", "examples/audio/weather.mp3", "benchmarks/README.md", ".ci/run",
        ".github/workflows/ci.yml",
    } <= names  # fmt: skip
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "demo-output", "dist"))]


def test_the_wheel_has_the_package_alone(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
        entries = configparser.ConfigParser()
        information = f"asyncscribe-{__version__}.dist-info"
        entries.read_string(archive.read(f"{information}/entry_points.txt").decode())
        metadata = archive.read(f"{information}/METADATA").decode()
    assert {name.split("/")[0] for name in names} == {"asyncscribe", "asyncscribe_pytest.py", information}
    assert {"asyncscribe/py.typed", "asyncscribe_pytest.py", f"{information}/licenses/LICENSE"} <= set(names)
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "asyncscribe").rglob("*.py")}
    assert ours <= set(names)
    assert not [name for name in names if "tests/" in name or name.endswith((".pyc", ".env"))]
    assert dict(entries["console_scripts"]) == {"asyncscribe": "asyncscribe.__main__:main"}
    assert dict(entries["pytest11"]) == {"asyncscribe_pytest": "asyncscribe_pytest"}
    assert "License-Expression: MIT" in metadata
    assert "\n# asyncscribe\n" in metadata


def test_it_is_imported_without_any_extra(installed, tmp_path):
    code = "import asyncscribe as a, asyncscribe.batch, asyncscribe.sync; print(a.__version__, a.__file__)"
    version, path = run(installed / "python", "-W", "error", "-c", code, cwd=tmp_path).stdout.split()
    assert version == __version__
    assert str(installed.parent) in path
    assert run(installed / "python", "-m", "pip", "check", cwd=tmp_path).stdout.startswith("No broken")
    result = run(installed / "python", "-m", "asyncscribe", "--help", cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "pip install 'asyncscribe[cli]'" in result.stderr


def test_the_commands_run_with_their_extra(built, tmp_path):
    programs = environment(tmp_path / "venv")
    install(programs / "python", f"asyncscribe[cli] @ {built[1].as_uri()}", cwd=tmp_path)
    assert run(programs / "asyncscribe", "--version", cwd=tmp_path).stdout.strip() == __version__
    assert "transcribe" in run(programs / "asyncscribe", "--help", cwd=tmp_path).stdout
    assert "--speakers" in run(programs / "asyncscribe", "transcribe", "--help", cwd=tmp_path).stdout

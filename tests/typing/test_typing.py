"""L14: what users write passes mypy and pyright, with the strictest settings and without plugins."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import EXAMPLES, ROOT

pytestmark = pytest.mark.long

HEAD = "from __future__ import annotations\nfrom asyncscribe import AsyncClient\n"


def blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def programs(folder: Path) -> list[Path]:
    """README and guide as modules: README's first block is a program, all else is what somebody types."""
    code, *batch = blocks(ROOT / "README.md")
    (folder / "readme.py").write_text(code)
    for name, pieces in {"readme_batch": batch, "guide": blocks(ROOT / "docs" / "guide.md")}.items():
        # One after the other, but each in names of its own, as readers take only what they need.
        imports = [line for piece in pieces for line in re.findall(r"^(?:import|from) .*$", piece, re.MULTILINE)]
        known = "\n".join(dict.fromkeys(imports))
        functions = [
            f"async def block_{number}(client: AsyncClient, URL: str) -> None:\n{textwrap.indent(piece, '    ')}\n"
            for number, piece in enumerate(pieces)
            # Tests are read more easily without types.
            if "def test_" not in piece
        ]
        (folder / f"{name}.py").write_text(HEAD + known + "\n" + "\n".join(functions))
    return sorted(folder.glob("*.py"))


def examples() -> list[Path]:
    # Airflow is nowhere in the project's environments.
    return sorted(path for path in EXAMPLES.rglob("*.py") if path.name != "airflow_dag.py")


def check(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return "" if result.returncode == 0 else result.stdout + result.stderr


@pytest.fixture
def written(tmp_path) -> list[str]:
    return [str(path) for path in [ROOT / "tests" / "typing" / "api.py", *programs(tmp_path), *examples()]]


@pytest.mark.timeout(300)
def test_mypy_takes_what_users_write(written, tmp_path):
    if check(sys.executable, "-m", "mypy", "--version"):
        pytest.skip("mypy is not installed")
    options = ["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", "--scripts-are-modules"]
    for path in written:
        # One by one: two examples may have the same name.
        assert not check(sys.executable, "-m", "mypy", *options, path)


@pytest.mark.timeout(300)
def test_pyright_takes_what_users_write(written, tmp_path):
    if not check_pyright():
        pytest.skip("pyright is not installed, or can't get what it needs")
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(f'{{"include": {written!r}, "typeCheckingMode": "standard"}}'.replace("'", '"'))
    assert not check(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", str(settings))


def check_pyright() -> bool:
    return not check(sys.executable, "-m", "pyright", "--version")

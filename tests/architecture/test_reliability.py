import ast
import re

import pytest

from tests.support import ROOT

ROWS = [
    line
    for line in (ROOT / "docs" / "reliability.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| fault |")
]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def defined_in(path):
    """The names of a file's tests, those of its classes too."""
    tree = ast.parse((ROOT / "tests" / path).read_text())
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


def test_there_are_at_least_60_rows_of_five_cells():
    assert len(ROWS) >= 60
    assert {len(row.split(" | ")) for row in ROWS} == {5}
    assert len({row.split(" | ")[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.split(" | ")[0].strip("| ") for row in ROWS])
def test_every_row_names_tests_that_exist_and_none_of_them_twice(row):
    cell = row.split(" | ")[4]
    named = NAMED.findall(cell)
    assert named
    # Nothing in the cell that was not read.
    assert len(named) == cell.count("::")
    assert len(set(named)) == len(named)
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []

"""The tests mirror the package: what is tested of a module is found in the file of its name."""

import pytest

from tests.support import ROOT

#: Modules that other files test as a whole, and why. The file has to be there.
ELSEWHERE = {
    # One contract for all journals; that each keeps it is worth more than how.
    "batch/journal/sqlite.py": "batch/journal/test_contract.py",
    "batch/journal/sqlite_file.py": "batch/journal/test_contract.py",
    "batch/journal/rows.py": "batch/journal/test_contract.py",
    # A record of counts; that each journal fills it alike is tested where one of them counts in SQL.
    "batch/journal/totals.py": "batch/journal/postgres/test_totals.py",
    # Against a real database, whose rules hold only for all of them together.
    "batch/journal/postgres/connection.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/facts.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/journal.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/lister.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/reading.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/recordings.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/schema.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/steps.py": "batch/journal/test_postgres.py",
    "batch/journal/postgres/workers.py": "batch/journal/test_postgres.py",
    # Commands are what users call: all of them, with all that can be done to them.
    "cli/app.py": "cli/test_commands.py",
    "cli/connection.py": "cli/test_commands.py",
    "cli/transcribe.py": "cli/test_commands.py",
    "cli/batch/run.py": "cli/test_commands.py",
    # Types alone: that they are the configuration's is tested with it.
    "models/fields.py": "models/test_config.py",
    # The shape of answers, held against the service's own specification.
    "server/documents.py": "acceptance/test_openapi.py",
    # A protocol and values; every engine's tests are theirs.
    "server/engines/base.py": "server/engines/test_simulated.py",
    # The parts of one loop: what each shows is seen in what the loop does.
    "engine/overview.py": "engine/test_watcher.py",
    "engine/roster.py": "engine/test_watcher.py",
    "engine/watched.py": "engine/test_watcher.py",
    # What a task of Ray's does, and the child that it holds on to.
    "batch/cluster/ray.py": "batch/cluster/test_ray_tasks.py",
    "batch/cluster/tether.py": "batch/cluster/test_ray_tasks.py",
    # Constants.
    "testing/schedules.py": "testing/test_server.py",
    # Its number is written by `--version`.
    "version.py": "cli/test_commands.py",
}
MODULES = sorted(
    path.relative_to(ROOT / "asyncscribe").as_posix()
    for path in (ROOT / "asyncscribe").rglob("*.py")
    if not path.name.startswith("__")
)


def mirrored(module):
    folder, _, name = module.rpartition("/")
    return ROOT / "tests" / folder / f"test_{name}"


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ELSEWHERE])
def test_every_module_has_a_file_of_tests_of_its_name(module):
    assert mirrored(module).is_file()
    assert "def test_" in mirrored(module).read_text()


def test_what_is_tested_elsewhere_is_there_and_has_no_file_of_its_own():
    assert ELSEWHERE.keys() <= set(MODULES)
    assert [file for file in ELSEWHERE.values() if not (ROOT / "tests" / file).is_file()] == []
    assert [module for module in ELSEWHERE if mirrored(module).is_file()] == []


def test_every_folder_of_tests_is_a_package():
    """Or two files of one name would be taken for one module."""
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []

"""What CI calls exists, is pinned and may do little; what is promised about versions is what is tested."""

import os
import re
import tomllib

import pytest
import yaml

from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
COMMANDS = [step["run"] for step in STEPS if "run" in step]


def test_what_ci_runs_exists():
    called = {target for command in COMMANDS for target in re.findall(r"\bmake (\w+)", command)}
    assert called == {"test", "lowest", "audit"}
    assert called <= TARGETS
    assert ".ci/run" in COMMANDS
    assert all(command.startswith(("make ", ".ci/")) for command in COMMANDS)


def test_what_the_scripts_of_ci_run_exists():
    scripts = sorted((ROOT / ".ci").iterdir())
    assert {script.name for script in scripts} == {"audit", "matrix", "release", "run"}
    assert all(os.access(script, os.X_OK) for script in scripts)
    calls = re.findall(r"^make ([a-z -]+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert {target for call in calls for target in call.split()} == {
        "lint",
        "types",
        "docs",
        "test",
        "test-long",
        "test-cluster",
    }
    assert all((ROOT / path).is_file() for path in re.findall(r"\.ci/\w+", MAKEFILE))


def test_every_target_is_explained_and_is_no_file():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS
    assert set(re.findall(r"^([a-z-]+):.* ## \S", MAKEFILE, re.MULTILINE)) == TARGETS


def test_a_target_installs_no_more_than_it_needs():
    needs = dict(re.findall(r"^([\w-]+): \$\(VENV\)/\.installed-(\w+) ", MAKEFILE, re.MULTILINE))
    assert needs.pop("demo") == "local"
    assert needs.pop("demo-cluster") == needs.pop("test") == needs.pop("test-long") == "test"
    assert needs == {"lint": "dev", "format": "dev", "types": "dev", "bench": "bench", "docs": "docs"}
    assert PROJECT["optional-dependencies"]["local"] == ["asyncscribe[cli,server]"]


def test_ci_may_only_read():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in WORKFLOW["jobs"].values())
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(WORKFLOW["jobs"])
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    assert not any("secrets." in command for command in COMMANDS)
    assert all(job["timeout-minutes"] <= 60 for job in WORKFLOW["jobs"].values())


def test_actions_are_pinned():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", action) for action in used)


def test_every_version_that_is_promised_is_tested():
    versions = WORKFLOW["jobs"]["matrix"]["strategy"]["matrix"]["python"]
    assert f"for version in ${{PYTHONS:-{' '.join(versions)}}}" in (ROOT / ".ci" / "matrix").read_text()
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert promised == versions[: len(promised)]
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_all_that_users_can_install_is_tested_at_its_lowest():
    (runtime,) = re.findall(r"^RUNTIME := (.*)$", MAKEFILE, re.MULTILINE)
    extras = PROJECT["optional-dependencies"]
    assert set(runtime.split(",")) == set(extras) - {"local", "test", "bench", "dev", "docs", "ray"}
    named = [*PROJECT["dependencies"], *(entry for extra in runtime.split(",") for entry in extras[extra])]
    assert all(">=" in requirement for requirement in named)
    # What is asked for twice has one bound.
    bounds = {}
    for requirement in [*named, *(entry for extra in ("test", "bench", "dev") for entry in extras[extra])]:
        if ">=" in requirement:
            name, bound = requirement.split(">=")
            assert bounds.setdefault(name, bound) == bound, name


def test_dependabot_looks_weekly_and_at_all_at_once():
    configuration = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert configuration["version"] == 2
    updates = {update["package-ecosystem"]: update for update in configuration["updates"]}
    assert set(updates) == {"pip", "github-actions"}
    for update in updates.values():
        assert update["directory"] == "/"
        assert update["schedule"] == {"interval": "weekly"}
        (group,) = update["groups"].values()
        assert group["patterns"] == ["*"]


@pytest.mark.parametrize("topic", ["API key", "Signed URLs", "Supported versions", "Report a vulnerability"])
def test_the_security_policy_speaks_of(topic):
    assert topic in (ROOT / "SECURITY.md").read_text()


def test_the_security_policy_supports_this_version():
    from asyncscribe import __version__

    assert f"| {__version__.rpartition('.')[0]} | yes |" in (ROOT / "SECURITY.md").read_text()


def test_the_changelog_begins_with_this_version():
    from asyncscribe import __version__

    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading[1] == __version__

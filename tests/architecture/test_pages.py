"""The pages of the documentation are whole: links lead somewhere, nothing public is missing, nothing is stale."""

import importlib
import inspect
import re
import sys
import types

import pytest

from asyncscribe import errors
from tests.support import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]
CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def links(text):
    return [link.split()[0] for link in re.findall(r"\]\(([^)]+)\)", CODE.sub("", text))]


def anchors(text):
    """As GitHub and Python-Markdown make them of plain headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
    return {*slugs, *re.findall(r"^::: (\S+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_and_anchor_leads_somewhere(page):
    broken = []
    for link in links(page.read_text()):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


def test_links_are_found():
    assert links("[a](b.md) `[c](d)` [e](f#g)\n\n    [h](i)\n\n```\n[j](k)\n```\n") == ["b.md", "f#g"]
    assert anchors("# A b, c\n```\n# d\n```\n## `e` f\n::: g.H\n") == {"a-b-c", "e-f", "g.H"}


def test_pages_of_the_site_link_to_nothing_outside_of_it():
    outside = [
        (page.name, link)
        for page in DOCS.rglob("*.md")
        for link in links(page.read_text())
        if not re.match(r"\w+:|#", link) and not (page.parent / link).resolve().is_relative_to(DOCS)
    ]
    assert outside == []


def test_every_page_is_in_the_navigation():
    named = re.findall(r'"([\w/]+\.md)"', (ROOT / "zensical.toml").read_text())
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_the_page_about_the_commands_is_what_the_commands_say():
    page = load("make_cli").page()
    assert (DOCS / "cli.md").read_text() == page, "docs/cli.md is stale: run `python docs/make_cli.py`"


def test_every_public_name_is_in_the_reference_and_described():
    """`make docs` finds the same in the site, and methods without a description; this needs none of its tools."""
    reference = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    directives = re.findall(r"^::: (\S+)$", reference, re.MULTILINE)
    checks = load("check_site")
    described = []
    for directive in directives:
        if directive in checks.MODULES:
            module = importlib.import_module(directive)
            described += [getattr(module, name) for name in checks.public_names(directive)]
        elif not isinstance(value := _value(directive), types.ModuleType):
            described.append(value)
    missing = [
        f"{module}.{name}"
        for module in checks.MODULES
        for name in checks.public_names(module)
        if not any(getattr(importlib.import_module(module), name) is value for value in described)
    ]
    assert missing == []
    undocumented = [value for value in described if inspect.isclass(value) and not inspect.getdoc(value)]
    assert undocumented == []


def _value(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _errors():
    return [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]


def test_every_error_is_on_the_page_about_errors_and_in_its_place():
    page = (DOCS / "errors.md").read_text()
    tree = re.findall(r"^    ([│├└─ ]*)(\w+)", page.partition("## The tree")[2].partition("\n## ")[0], re.MULTILINE)
    parents, path = {}, []
    for indent, name in tree:
        depth = len(indent) // 4
        path[depth:] = [name]
        parents[name] = path[depth - 1] if depth else None
    own = {error.__name__: error for error in _errors()}
    assert parents == {
        name: None if name == "AsyncscribeError" else error.__bases__[0].__name__ for name, error in own.items()
    }
    explained = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", page, re.MULTILINE)
    assert sorted(explained) == sorted(own.keys() - {"AsyncscribeError"})


def test_every_error_is_in_the_tree_of_the_module():
    tree = re.findall(r"^ {4}[ |+-]*(\w+)", errors.__doc__, re.MULTILINE)
    assert sorted(tree) == sorted(error.__name__ for error in _errors())

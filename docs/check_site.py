"""Check the built site: every public name is in the reference, and no page loads anything from other hosts.

`python docs/check_site.py site`, or `make docs`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

MODULES = [
    "asyncscribe",
    "asyncscribe.batch",
    "asyncscribe.errors",
    "asyncscribe.events",
    "asyncscribe.server",
    "asyncscribe.sync",
    "asyncscribe.telemetry",
    "asyncscribe.testing",
    "asyncscribe.webhooks",
]
#: What a page loads from other hosts, unlike what it links to.
LOADED = [
    re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\ssrc=[\"']?((?:https?:)?//[^\"'> ]+)"),
    re.compile(r"<link\b(?=[^>]*\srel=[\"']?(?:stylesheet|pre|icon))[^>]*\shref=[\"']?((?:https?:)?//[^\"'> ]+)"),
]


def public_names(module: str) -> list[str]:
    """The public names of a module: its `__all__`, or the classes and functions that are defined in it."""
    loaded = import_module(module)
    if hasattr(loaded, "__all__"):
        return list(loaded.__all__)
    return [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]


def members(kind: type) -> Iterator[str]:
    """The public methods and properties that a class defines, or has of one in its package that is not public."""
    public = {id(getattr(import_module(module), name)) for module in MODULES for name in public_names(module)}
    package = kind.__module__.rpartition(".")[0]
    own = [
        one
        for one in kind.__mro__
        if one is kind or (one.__module__.rpartition(".")[0] == package and id(one) not in public)
    ]
    for name, value in (item for one in own for item in vars(one).items()):
        described = isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
        if described and not name.startswith(("_", "model_")):  # pydantic's are of no concern to users
            yield name


def undocumented(anchors: set[str]) -> list[str]:
    """Public names, and methods of public classes, that no page of the reference describes."""
    missing = []
    for module in MODULES:
        for name in public_names(module):
            value = getattr(import_module(module), name)
            # One that is public in two modules is described in one of them.
            places = [
                f"{other}.{name}"
                for other in MODULES
                if name in public_names(other) and getattr(import_module(other), name) is value
            ]
            described = [place for place in places if place in anchors]
            if not described:
                missing.append(places[0])
            elif inspect.isclass(value):
                missing += [f"{described[0]}.{one}" for one in members(value) if f"{described[0]}.{one}" not in anchors]
    return sorted(set(missing))


def main(site: Path) -> int:
    """Check and complain; the exit code."""
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    anchors = {anchor for text in pages.values() for anchor in re.findall(r'\sid="(asyncscribe[\w.]*)"', text)}
    problems = [f"{name} is public, and the reference does not describe it" for name in undocumented(anchors)]
    for path, text in pages.items():
        problems += [f"{path} loads {address}" for kind in LOADED for address in kind.findall(text)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

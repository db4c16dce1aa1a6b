"""What an object of the library holds, all the way down."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable


def sizes(thing: object, path: str) -> dict[str, int]:
    """The number of elements of every collection that an object of this library holds, by its place."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    rest = [(path, thing)]
    while rest:
        path, thing = rest.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | deque):
            if not (isinstance(thing, deque) and thing.maxlen):
                found[path] += len(thing)
            inner: Iterable[object] = thing.values() if isinstance(thing, dict) else thing
            rest += [(path, one) for one in itertools.islice(inner, 16) if _is_ours(one)]
        elif _is_ours(thing):
            slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            names = {*getattr(thing, "__dict__", ()), *slots}
            values = [(f"{path}.{name.strip('_')}", getattr(thing, name, None)) for name in sorted(names)]
            rest += [
                (at, value) for at, value in values if isinstance(value, dict | list | set | deque) or _is_ours(value)
            ]
    return dict(found)


def _is_ours(thing: object) -> bool:
    kind = type(thing)
    return kind.__module__.startswith("asyncscribe") and not isinstance(thing, type)

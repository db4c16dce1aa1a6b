"""Run the measurements and print them as tables: `python -m benchmarks [--quick] [--only NAME ...]`.

`python -m benchmarks soak --minutes N [--faults SHARE]` loads two clients for so long instead, and ends with 1 if
something grows, gets lost or is paid twice.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import allowance, batches, engine, parsing, plots, soak, upload
from benchmarks.simulator import figures
from benchmarks.soak.records import Soak
from benchmarks.soak.verdict import NO_PROBLEMS

RESULTS = Path(__file__).parent / "results"
#: Takes as long as it is told, so it is no part of the others.
SOAK = "soak"


def _cluster(name: str, *, quick: bool) -> Any:
    # It needs a database's driver and programs, which nothing else here does.
    return getattr(importlib.import_module("benchmarks.cluster"), name)(quick=quick)


SCENARIOS: dict[str, Callable[[bool], Any]] = {
    "throughput": lambda quick: engine.throughput(quick=quick),
    "concurrency": lambda quick: engine.concurrency(quick=quick),
    "many": lambda quick: engine.many(quick=quick),
    "rate_limit": lambda quick: engine.rate_limit(quick=quick),
    "window": lambda quick: engine.window(quick=quick),
    "recovery": lambda quick: engine.recovery(quick=quick),
    "storm": lambda quick: engine.storm(quick=quick),
    "blind": lambda quick: engine.blind(quick=quick),
    "neighbour": lambda quick: engine.neighbour(quick=quick),
    "faults": lambda quick: engine.faults(quick=quick),
    "steps": lambda quick: engine.steps(quick=quick),
    "shares": lambda quick: engine.shares(quick=quick),
    "journal": lambda quick: batches.journal(quick=quick),
    "resume": lambda quick: batches.resume(quick=quick),
    "cluster": lambda quick: _cluster("workers", quick=quick),
    "cluster_journal": lambda quick: _cluster("journal", quick=quick),
    "limits": lambda quick: figures.run(quick=quick),
    "allowance": lambda quick: allowance.compare(),  # noqa: ARG005 - it is as quick as it gets
    "upload": lambda quick: [upload.run(gibibytes=0.1 if quick else 2.0, rounds=1 if quick else 5)],
    "parsing": lambda quick: [parsing.run(rounds=1 if quick else 3)],
}


def main() -> None:
    """Measure, print, and write `benchmarks/results/latest.json`, `tables.md` and the plots in `docs/images`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller worlds and fewer rounds, under two minutes")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="NAME")
    long = parser.add_subparsers(dest="long").add_parser(SOAK, help="everything at once for a long time")
    long.add_argument("--minutes", type=float, required=True, help="length of the load")
    long.add_argument("--faults", type=float, default=0.01, help="share of requests that meet each fault")
    arguments = parser.parse_args()
    if arguments.long == SOAK:
        result = soak.run(Soak(60 * arguments.minutes, arguments.faults))
        print(f"## {SOAK}\n\n{table(result)}", flush=True)
        _keep({SOAK: result})
        sys.exit(result["problems"] != NO_PROBLEMS)
    results = {}
    for name in arguments.only:
        begun = time.monotonic()
        results[name] = SCENARIOS[name](arguments.quick)
        print(f"\n## {name} ({time.monotonic() - begun:.0f} s)\n\n{table(results[name])}", flush=True)
    if not arguments.quick:
        _keep(results)


def _keep(results: dict[str, Any]) -> None:
    """Write results beside those of other scenarios that were kept, and draw them."""
    RESULTS.mkdir(exist_ok=True)
    latest = RESULTS / "latest.json"
    kept = json.loads(latest.read_text())["results"] if latest.exists() else {}
    kept = {name: value for name, value in kept.items() if name in {*SCENARIOS, SOAK}} if isinstance(kept, dict) else {}
    kept |= results
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    latest.write_text(json.dumps({"machine": machine, "results": kept}, indent=1) + "\n")
    tables = "\n\n".join(f"## {name}\n\n{table(result)}" for name, result in kept.items())
    (RESULTS / "tables.md").write_text(f"# Measured on {machine}\n\n{tables}\n")
    for path in plots.draw(results):
        print(path)


def table(result: Any) -> str:
    """Rows as a Markdown table; of anything else the single values."""
    if isinstance(result, dict) and isinstance(result.get("cases"), list):
        result = result["cases"]
    if isinstance(result, dict):
        return "\n".join(f"- {name}: {value}" for name, value in result.items() if isinstance(value, int | float | str))
    names = list(dict.fromkeys(name for row in result for name in row))
    lines = [[name.replace("_", " ") for name in names], ["---"] * len(names)]
    lines += [["" if row.get(name) is None else str(row[name]) for name in names] for row in result]
    return "\n".join(map(_line, lines))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

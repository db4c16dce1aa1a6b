"""Run the measurements and print them as a table: `python -m benchmarks [--quick]`."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

from benchmarks import parsing, upload

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write `benchmarks/results/latest.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds")
    quick = parser.parse_args().quick
    results = [
        upload.run(gibibytes=0.25 if quick else 2.0, rounds=3 if quick else 5),
        parsing.run(rounds=1 if quick else 3),
    ]
    for result in results:
        print(f"\n{result['scenario']}")
        for name, value in result.items():
            if name != "scenario":
                print(f"  {name.replace('_', ' '):40} {value}")
    RESULTS.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    (RESULTS / "latest.json").write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

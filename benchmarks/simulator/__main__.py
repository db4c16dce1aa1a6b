"""`python -m benchmarks.simulator`: simulate, and print the tables."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from benchmarks import allowance, simulator
from benchmarks.simulator.figures import run, series, table


def main() -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=simulator.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--series", type=Path, metavar="FILE", help="write the course of one run there, as CSV")
    arguments = parser.parse_args()
    if arguments.series:
        rows = series()
        with arguments.series.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    results = run(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"{results['scenario']}\n\n{table(results['cases'])}")
    print(f"\nrules for the allowance of requests\n\n{table(allowance.compare())}")


if __name__ == "__main__":
    main()

"""`python -m asyncscribe` and the `asyncscribe` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; without the `cli` extra say how to get it."""
    try:
        _run()
    except KeyboardInterrupt:
        # Before the command began, or after it ended.
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def _run() -> None:
    try:
        from asyncscribe.cli import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("error: the commands need two more packages\nhint: pip install 'asyncscribe[cli]'")
    # What is imported by now stays: a full collection would stop the event loop for 30 ms to find that out.
    gc.freeze()
    app.run()


if __name__ == "__main__":
    main()

"""Runs a command line for as long as whoever started it lives: `python -m asyncscribe.batch.cluster.tether batch ...`.

The other process holds the writing end of this one's stdin, and the system closes that, however the other one ends.
"""

from __future__ import annotations

import os
import runpy
import signal
import time
from threading import Thread

#: Seconds that the command has to end what it has begun.
GRACE = 30.0


def main() -> None:
    """Run what the arguments say as `python -m asyncscribe` does."""
    Thread(target=_watch, daemon=True).start()
    runpy.run_module("asyncscribe", run_name="__main__", alter_sys=True)


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()

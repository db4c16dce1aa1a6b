"""Runs a command line as long as its parent process lives: `python -m asyncscribe.batch.cluster.tether batch ...`.

The parent holds the writing end of this process's stdin, and the system closes that, however the parent ends.
"""

from __future__ import annotations

import os
import runpy
import signal
import time
from threading import Thread

#: Seconds that the command has to finish what it has begun.
GRACE = 30.0


def main() -> None:
    """Run the arguments as `python -m asyncscribe` does."""
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

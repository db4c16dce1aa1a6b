"""A batch as a job of a Ray cluster, for `ray job submit`: the driver runs in the cluster, and outlives your laptop.

    ray job submit --working-dir examples/cluster -- python ray_job.py s3://bucket/calls s3://bucket/text

The machines of the cluster need `pip install 'asyncscribe[cli,stores,ray]'`, and the one where jobs run needs
ASYNCSCRIBE_JOURNAL and ASSEMBLYAI_API_KEY in its environment; workers get them from there.
"""

from __future__ import annotations

import os
import sys


def main(source: str, output: str, workers: str = "8") -> None:
    """Replace this process by the command, so that whatever stops the job stops it."""
    options = ["--output", output, "--ray", "auto", "--workers", workers]
    command = [sys.executable, "-m", "asyncscribe", "batch", "run", source, *options]
    os.execv(sys.executable, command)  # noqa: S606 - the program itself


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Wall time of a smoke run, of a run with nothing to do, and of redrawing all figures.

    .venv/bin/python benchmarks/pipeline.py

Absolute times wander from machine to machine; the last column is the time over that of starting
the interpreter with torch, measured in the same run.
"""

import shutil
import subprocess
import sys
import time

from mammolab.paths import RunPaths, repository_root

RUN = "benchmark"


def seconds(*command: str) -> float:
    """Run a command quietly and return its wall time."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=repository_root())
    return time.perf_counter() - start


def main() -> None:
    """Print one line a measurement."""
    paths = RunPaths(repository_root() / "build" / RUN)
    shutil.rmtree(paths.root, ignore_errors=True)
    mammolab = (sys.executable, "-m", "mammolab.cli")
    run = (*mammolab, "run", "--profile", "smoke", "--run", RUN)
    unit = seconds(sys.executable, "-c", "import torch")
    for name, command in (
        ("smoke run from nothing", run),
        ("nothing to do", run),
        ("redraw all figures", (*mammolab, "figures", "--run", RUN)),
    ):
        taken = seconds(*command)
        print(f"{name:24s} {taken:8.1f} s {taken / unit:8.1f} x import torch")
    shutil.rmtree(paths.root)


if __name__ == "__main__":
    main()

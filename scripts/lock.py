"""Write requirements.lock and environment.yml from pyproject.toml: `python scripts/lock.py`.

Packages already locked keep their versions; `python scripts/lock.py --upgrade` takes the newest
that fit together. Needs uv and the network. The lock is used as constraints, for pip, uv and
conda alike.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What only torch's CUDA build needs; that build pins it itself, the CPU build has none of it.
CUDA_ONLY = re.compile(r"^(nvidia-|cuda-|triton)")
EXTRAS = "--extra test --extra slurm --extra bench"
COMPILE = f"uv pip compile pyproject.toml {EXTRAS} --universal --no-annotate"
HEADER = "# Constraints for pip and uv, made by scripts/lock.py: do not edit.\n"


def lock(options: list[str]) -> str:
    """Return the text of requirements.lock; `options` go to uv."""
    command = [*COMPILE.split(), "--no-header", "--quiet", "--python-version", "3.11", *options]
    # uv keeps the versions that it finds in its output file
    command += ["--output-file", "requirements.lock"]
    subprocess.run(command, cwd=ROOT, check=True)
    pins = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    kept = [line for line in pins.splitlines(keepends=True) if not CUDA_ONLY.match(line)]
    return HEADER + "".join(kept)


def environment() -> str:
    """Return the text of environment.yml: conda brings Python and pip, the lock all else."""
    return (
        "# Made by scripts/lock.py: do not edit. Use: conda env create -f environment.yml\n"
        "name: mammolab\n"
        "channels:\n"
        "  - conda-forge\n"
        "dependencies:\n"
        "  - python=3.11\n"
        "  - pip\n"
        "  - pip:\n"
        "      - -c requirements.lock\n"
        "      - -e .[test]\n"
    )


if __name__ == "__main__":
    (ROOT / "requirements.lock").write_text(lock(sys.argv[1:]), encoding="utf-8")
    (ROOT / "environment.yml").write_text(environment(), encoding="utf-8")

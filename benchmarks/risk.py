"""Wall time and peak memory of `mammolab risk`, from the shell to the files, by rows of the table.

Run: python benchmarks/risk.py [number of rows ...] [--write]
     (--write refreshes benchmarks/risk.csv; without numbers: 1,000 to 100,000)

Each size is a command of its own on one thread, Python's start and all imports included; the best
of three. The table is synthetic, with every factor of the Gail model, a tenth of each unknown and
one row in a thousand wrong. The parts are timed in another process, once; gail_s is the model
alone (5 years, 10 years, to age 90) on numbers that are already read.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import json
import resource

import numpy as np
import pandas as pd

SIZES = (1_000, 10_000, 100_000)
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def make_women(n_rows: int, seed: int = 2019) -> pd.DataFrame:
    """A table of that many women."""
    rng = np.random.default_rng(seed)
    births = rng.integers(0, 5, n_rows)
    biopsies = rng.choice([0, 1, 2], n_rows, p=[0.8, 0.15, 0.05])
    frame = pd.DataFrame(
        {
            "exam_id": [f"E{k:07d}" for k in range(n_rows)],
            "age_years": rng.uniform(35, 85, n_rows).round(1),
            "race_ethnicity": rng.choice(
                ["white", "black", "asian", "hispanic", "chinese", "hispanic_foreign_born"], n_rows
            ),
            "family_history_n": rng.choice([0, 1, 2], n_rows, p=[0.85, 0.12, 0.03]),
            "menarche_age_years": rng.integers(9, 17, n_rows),
            "n_births": births,
            "age_first_birth_years": np.where(births > 0, rng.integers(17, 35, n_rows), np.nan),
            "n_biopsies": biopsies,
            "atypia": np.where(biopsies > 0, rng.integers(0, 2, n_rows), np.nan),
        }
    ).astype(object)
    for name in frame.columns[2:]:
        frame.loc[rng.random(n_rows) < 0.1, name] = None
    frame.loc[rng.random(n_rows) < 0.001, "age_years"] = 17
    return frame


def parts(path: Path, out: Path) -> dict[str, float]:
    """Seconds of each part, in this process."""
    start = time.perf_counter()
    from mammolab.clinic.risk_command import write_files
    from mammolab.clinic.risk_scores import score_women
    from mammolab.clinic.risk_table import read_women
    from mammolab.risk.gail import gail_risk

    imported = time.perf_counter()
    women = read_women(path)
    read = time.perf_counter()
    scores = score_women(women)
    scored = time.perf_counter()
    out.mkdir()
    write_files(scores, out)
    written = time.perf_counter()
    frame = women.frame[women.clean(())]
    for horizon_years in (5, 10, 70):
        gail_risk(frame, horizon_years)
    return {
        "import_s": imported - start,
        "read_s": read - imported,
        "score_s": scored - read,
        "write_s": written - scored,
        "gail_s": time.perf_counter() - written,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def once(n_rows: int) -> dict[str, float]:
    """The command on a table of that size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_women(n_rows).to_csv(folder / "women.csv", index=False)
        how = {"env": os.environ | ONE_THREAD, "stdout": subprocess.PIPE}
        wall_s = []
        for _ in range(3):
            start = time.perf_counter()
            command = ["-m", "mammolab.cli", "risk", "women.csv", "--out", "out"]
            subprocess.run([sys.executable, *command], cwd=folder, check=True, **how)
            wall_s.append(time.perf_counter() - start)
        alone = [sys.executable, __file__, "--parts", folder / "women.csv", folder / "parts"]
        done = subprocess.run(alone, check=True, **how)
    return {"rows": n_rows, "wall_s": min(wall_s), **json.loads(done.stdout)}


def main(arguments: list[str]) -> None:
    """Print one line a size; with --write, keep the table beside this file."""
    if arguments[:1] == ["--parts"]:
        print(json.dumps(parts(Path(arguments[1]), Path(arguments[2]))))
        return
    write = "--write" in arguments
    sizes = [argument for argument in arguments if argument != "--write"]
    if not all(size.isdigit() for size in sizes):
        sys.exit(__doc__)
    table = pd.DataFrame([once(n) for n in map(int, sizes or SIZES)]).round(2)
    print(f"{os.cpu_count()} CPUs seen, 1 thread")
    print(table.to_string(index=False))
    if write:
        table.to_csv(HERE / "risk.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1:])

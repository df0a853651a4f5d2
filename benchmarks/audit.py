"""Wall time and peak memory of `mammolab audit` by rows, and how often clean tables turn red.

Run: python benchmarks/audit.py [--tables 40] [--write]
     (--write refreshes benchmarks/audit.csv and benchmarks/audit_alarms.csv)

Time: each size is a command of its own on one thread, Python's start and all imports included, once.
Alarms: tables of 3,000 exams in which nothing goes with the label but the score and the recall, every
column there and some of it blank at random; `benchmarks/guards.csv` asks each guard by itself on the
synthetic programme, this asks them as the command does, one after the other on the same table. The
share of red may be 1 in 20 a check. Some six minutes on one thread.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import numpy as np
import pandas as pd
from scipy.special import expit

SIZES = (3_000, 30_000, 150_000)
PREVALENCE = 0.1
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def make_cohort(n: int, seed: int) -> pd.DataFrame:
    """A cohort that nothing is wrong with, in the columns of `mammolab audit --help`."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, int(0.8 * n), n))
    cancer = rng.random(n) < PREVALENCE
    taken = pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 2500, n), unit="D")
    found = pd.Series(taken + pd.to_timedelta(rng.integers(5, 350, n), unit="D"))
    seen = rng.normal(size=n) + 2.0 * cancer
    # Calibrated: the log odds of a normal score are linear in it.
    risk = expit(2.0 * seen - 2.0 + np.log(PREVALENCE / (1 - PREVALENCE)))

    def partly(values: np.ndarray) -> pd.Series:
        return pd.Series(values, dtype=object).where(rng.random(n) < 0.9, "")

    return pd.DataFrame(
        {
            "patient_id": [f"P{k:06d}" for k in patient],
            "exam_id": [f"E{k:06d}" for k in range(n)],
            "split": np.where(patient % 2, "test", "train"),
            "cancer": cancer.astype(int),
            "exam_date": taken.strftime("%Y-%m-%d"),
            "diagnosis_date": found.dt.strftime("%Y-%m-%d").where(cancer, ""),
            "follow_up_days": rng.integers(400, 2000, n),
            "time_years": rng.uniform(1, 6, n).round(2),
            "event": rng.choice([0, 1, 2], n, p=[0.9, 0.09, 0.01]),
            "site": rng.choice(["one", "two", "three"], n),
            "device": rng.choice(["alder", "birch", "cedar", "dogwood"], n),
            "age_years": partly(rng.integers(40, 75, n)),
            "density": partly(rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1])),
            "race_ethnicity": rng.choice(["asian", "black", "hispanic", "other", "white"], n),
            "implant": (rng.random(n) < 0.03).astype(int),
            "recalled": partly((rng.random(n) < np.where(cancer, 0.87, 0.09)).astype(int)),
            "included": (rng.random(n) < 0.9).astype(int),
            "score": seen.round(4),
            "probability": risk.round(6),
        }
    )


def timed(n_rows: int) -> dict[str, float]:
    """The command on a table of that size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_cohort(n_rows, 2019).to_csv(folder / "cohort.csv", index=False)
        command = [sys.executable, "-m", "mammolab.cli", "audit", "cohort.csv", "--out", "out",
                   "--fail-on", "never"]  # fmt: skip
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | ONE_THREAD,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)} failed")
    wall_s = time.perf_counter() - start
    return {
        "rows": n_rows,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
    }


def alarms(n_tables: int) -> pd.DataFrame:
    """How often each check is red, amber and skipped on clean tables."""
    from mammolab.audit.registry import CHECKS
    from mammolab.audit.run import LEVELS, Settings, run_checks
    from mammolab.audit.table import read_tables
    from mammolab.evaluate.rates import proportion_estimate

    found = {check.name: dict.fromkeys(LEVELS, 0) for check in CHECKS}
    for seed in range(n_tables):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "cohort.csv"
            make_cohort(3_000, seed).to_csv(path, index=False)
            table = read_tables([path])
        for one in run_checks(table, Settings(prevalence=PREVALENCE, seed=seed), CHECKS):
            found[one.name][one.level] += 1
    rows = []
    for name, counts in found.items():
        n_judged = n_tables - counts["skipped"]
        if n_judged:
            share = proportion_estimate(counts["red"], n_judged)
            limits = {"red_low": round(share.low, 3), "red_high": round(share.high, 3)}
            rows.append({"check": name, "n_tables": n_judged, "n_red": counts["red"],
                         "n_amber": counts["amber"], **limits})  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Print both tables; with --write, keep them beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    times = pd.DataFrame([timed(n) for n in SIZES])
    print(times.to_string(index=False))
    counted = alarms(asked.tables)
    print(counted.to_string(index=False))
    if asked.write:
        times.to_csv(HERE / "audit.csv", index=False)
        counted.to_csv(HERE / "audit_alarms.csv", index=False)


if __name__ == "__main__":
    main()

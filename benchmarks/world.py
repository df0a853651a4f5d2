"""Wall time and peak memory of the screening programme on tables, by its size.

Run: python benchmarks/world.py [number of women ...] [--write]
     (--write refreshes benchmarks/world.csv; without sizes: 1,000 to 50,000)

Each size runs in a process of its own on one thread, so that its peak memory is its own. Best of
three for up to 10,000 women, one run beyond. The aim is 50,000 women simulated and written in
10 s; `us_per_woman` says how time grows with size.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
SIZES = (1_000, 3_000, 10_000, 25_000, 50_000)
AIM_WOMEN, AIM_S = 50_000, 10.0
SMALL = 10_000  # up to here a run is short enough to repeat
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def once(n_women: int) -> dict[str, float]:
    """Simulate, write and measure a programme; times in seconds."""
    from mammolab.world.programme import simulate, write_raw
    from mammolab.world.targets import measure, risk_exams

    start = time.perf_counter()
    programme = simulate(n_women, seed=2019, p_precancer=0.3, p_rest=0.022)
    simulated = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_raw(programme, f"{folder}/raw", f"{folder}/truth")
        written = time.perf_counter()
    start_measure = time.perf_counter()
    measure(programme)
    risk_exams(programme)
    measured = time.perf_counter()
    return {
        "women": n_women,
        "exams": len(programme.exams),
        "simulate_s": simulated - start,
        "write_s": written - simulated,
        "total_s": written - start,
        "measure_s": measured - start_measure,
        "us_per_woman": 1e6 * (written - start) / n_women,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def apart(n_women: int) -> dict[str, float]:
    """Run `once` in a process of its own; the fastest of three where that is short."""
    runs = []
    for _ in range(3 if n_women <= SMALL else 1):
        done = subprocess.run(
            [sys.executable, __file__, "--once", str(n_women)],
            env=os.environ | ONE_THREAD,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        runs.append(json.loads(done.stdout))
    return min(runs, key=lambda run: run["total_s"])


def main(arguments: list[str]) -> None:
    """Print one line a size; with --write, keep the table beside this file."""
    if arguments[:1] == ["--once"]:
        print(json.dumps(once(int(arguments[1]))))
        return
    write = "--write" in arguments
    sizes = [argument for argument in arguments if argument != "--write"]
    if not all(size.isdigit() for size in sizes):
        sys.exit(__doc__)
    table = pd.DataFrame([apart(n) for n in map(int, sizes or SIZES)])
    table = table.round({name: 2 for name in table if name.endswith(("_s", "_gb"))})
    table["us_per_woman"] = table["us_per_woman"].round(0).astype(int)
    print(f"{os.cpu_count()} CPUs seen, 1 thread")
    print(table.to_string(index=False))
    for total in table.loc[table["women"] == AIM_WOMEN, "total_s"]:
        print(f"{AIM_WOMEN:,} women in {total:.1f} s, aim {AIM_S:.0f} s")
    if write:
        table.to_csv(HERE / "world.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1:])

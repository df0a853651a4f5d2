"""Wall time and peak memory of the screening programme on tables, and of writing its export.

Run: python benchmarks/world.py [number of women ...]
"""

import resource
import sys
import tempfile
import time

from mammolab.world.programme import simulate, write_raw
from mammolab.world.targets import measure


def main(sizes: list[int]) -> None:
    """Print one line a programme size; peak memory is that of the process so far."""
    print(
        f"{'women':>8} {'exams':>9} {'simulate s':>11} {'write s':>8} {'measure s':>10} {'GB':>5}"
    )
    for n_women in sizes:
        start = time.perf_counter()
        programme = simulate(n_women, seed=2019, p_precancer=0.3, p_rest=0.022)
        simulated = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            write_raw(programme, f"{folder}/raw", f"{folder}/truth")
            written = time.perf_counter()
        start_measure = time.perf_counter()
        measure(programme)
        measured = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{n_women:8d} {len(programme.exams):9d} {simulated - start:11.2f} "
            f"{written - simulated:8.2f} {measured - start_measure:10.2f} {peak:5.2f}"
        )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [5_000, 50_000])

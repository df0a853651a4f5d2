"""CPU time of drawing views by matrix size, on one thread, and how it grows.

Run: python benchmarks/render.py [--write]
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mammolab.world.lesions import Lesion
from mammolab.world.render import BreastView, render
from mammolab.world.vendors import VENDORS

# matrix: views timed
SIZES = {
    (256, 208): 80, (512, 416): 40, (1024, 832): 24, (2048, 1664): 10, (3328, 2560): 8,
}  # fmt: skip
# Views drawn before, to fill the caches of noise, interpolation and Fourier grids as an export does.
WARM_UP_VIEWS = 100
WARM_UP_LARGE = 20  # above 1024 rows
CONSPICUITY = 4.0
COLUMNS = ("rows", "columns", "ms_per_image", "p90_ms", "ns_per_pixel", "growth")


def views(n: int) -> list[BreastView]:
    """Views of varied vendor, size and density; every fourth has a cancer."""
    rng = np.random.default_rng(1)
    cancer = (Lesion("spiculated", 13.0, 0.5, 0.2, 9, True),)
    return [
        BreastView(
            breast_seed=number,
            exam_seed=number,
            laterality="LR"[number // 2 % 2],
            view=("CC", "MLO")[number % 2],
            percent_density=rng.uniform(0.05, 0.7),
            breast_size_mm=rng.uniform(60, 105),
            texture=rng.standard_normal(),
            implant=False,
            vendor=list(VENDORS)[number // 2 % len(VENDORS)],
            lesions=cancer if number % 4 == 0 else (),
        )
        for number in range(n)
    ]


def measure() -> list[dict[str, float]]:
    """Time every size; growth is the exponent of time against pixels since the size before."""
    lines: list[dict[str, float]] = []
    for (rows, columns), n in SIZES.items():
        spent = []
        warm_up = WARM_UP_VIEWS if rows <= 1024 else WARM_UP_LARGE
        for view in views(n + warm_up):
            start = time.process_time()
            render(view, rows, columns, CONSPICUITY)
            spent.append(1e3 * (time.process_time() - start))
        spent = spent[warm_up:]
        line = {"rows": rows, "columns": columns, "ms_per_image": round(float(np.mean(spent)), 2)}
        line["p90_ms"] = round(float(np.quantile(spent, 0.9)), 2)
        line["ns_per_pixel"] = round(1e6 * line["ms_per_image"] / (rows * columns), 1)
        if lines:
            before = lines[-1]
            more = rows * columns / (before["rows"] * before["columns"])
            line["growth"] = round(
                float(np.log(line["ms_per_image"] / before["ms_per_image"]) / np.log(more)), 2
            )
        lines.append(line)
    return lines


def main() -> None:
    """Print one line a size and, if asked, write render.csv beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace benchmarks/render.csv")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        lines = measure()
    print(" ".join(f"{name:>12}" for name in COLUMNS))
    for line in lines:
        print(" ".join(f"{line.get(name, ''):>12}" for name in COLUMNS))
    if arguments.write:
        with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()

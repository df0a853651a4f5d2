"""A small table of scores made by formula, to show the form; nobody in it exists."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

from mammolab.errors import InputError
from mammolab.files import write_whole

N_WOMEN = 640
CANCER_EVERY = 4  # every fourth woman: enriched, so the others carry a weight
WEIGHT = 60  # of an exam without cancer: one in sixty was sampled
HEADER = (
    "patient_id", "exam_id", "score", "cancer", "recall", "weight", "density", "device",
    "synthetic",
)  # fmt: skip
# Fractional parts of multiples of these spread evenly (Weyl); one for each thing that varies.
STEPS = {"score": 2**0.5, "recall": 3**0.5, "density": 5**0.5, "device": 7**0.5, "noise": 11**0.5}


def example_rows() -> list[tuple]:
    """Rows of the example, the header first: always the same."""
    normal = NormalDist()

    def even(name: str, k: int) -> float:
        return (0.5 + k * STEPS[name]) % 1 * 0.999 + 0.0005

    rows: list[tuple] = [HEADER]
    for woman in range(N_WOMEN):
        cancer = woman % CANCER_EVERY == 0
        seen = normal.inv_cdf(even("score", woman)) + (2.1 if cancer else 0.0)
        for exam in range(1 if cancer or woman % 3 else 2):
            k = woman + N_WOMEN * exam
            noisy = seen + 0.7 * normal.inv_cdf(even("noise", k))
            score = normal.cdf(0.6 * noisy - 0.9)
            recalled = even("recall", k) < (0.87 if cancer else 0.10)
            density = "abcd"[sum(even("density", woman) > cut for cut in (0.1, 0.5, 0.9))]
            device = "north" if even("device", woman) < 0.6 else "south"
            rows.append(
                (
                    f"EXAMPLE-{woman:04d}",
                    f"EXAMPLE-{woman:04d}-{exam + 1}",
                    f"{score:.4f}",
                    int(cancer),
                    int(recalled),
                    1 if cancer else WEIGHT,
                    density,
                    device,
                    "yes",
                )
            )
    return rows


def write_example(path: Path, rows: Sequence[tuple]) -> None:
    """Write an example as CSV.

    Parameters
    ----------
    path : Path
    rows : sequence of tuple
        The header first.

    Raises
    ------
    InputError
        If the file is there already, or cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} is there already: choose another name for the example")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    try:
        write_whole(path, lambda temporary: temporary.write_text(text.getvalue(), "utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error

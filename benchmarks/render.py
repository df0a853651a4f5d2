"""CPU time of drawing and encoding views, per vendor and matrix size, on one thread.

Run: python benchmarks/render.py
"""

import time
from datetime import date

import numpy as np
from threadpoolctl import threadpool_limits

from mammolab.world.dicom_export import ExamPixels, encode_view
from mammolab.world.lesions import Lesion
from mammolab.world.render import render
from mammolab.world.vendors import VENDORS

SIZES = {(256, 208): 20, (1024, 832): 5}  # matrix: exams timed per vendor
WARM_UP_EXAMS = 2


def exams_of(vendor: str, n: int) -> list[ExamPixels]:
    """Exams of varied size and density; every fourth has a cancer in the left breast."""
    rng = np.random.default_rng(1)
    cancer = (Lesion("spiculated", 13.0, 0.5, 0.2, 9, True),)
    return [
        ExamPixels(
            exam_id=f"E{i}",
            patient_id=f"P{i}",
            exam_date=date(2014, 1, 1),
            age_years=55.0,
            birth_year=1958,
            vendor=vendor,
            site="north",
            implant=False,
            breast_seed=i,
            exam_seed=i,
            percent_density=rng.uniform(0.05, 0.7),
            breast_size_mm=rng.uniform(60, 115),
            texture=rng.standard_normal(),
            lesions_left=cancer if i % 4 == 0 else (),
        )
        for i in range(n)
    ]


def main() -> None:
    """Print one line a vendor and size."""
    print(f"{'matrix':>11} {'vendor':>8} {'draw ms':>8} {'p90':>6} {'encode ms':>9} {'bytes':>8}")
    for (rows, columns), n in SIZES.items():
        for vendor in VENDORS:
            drawing, encoding, size = [], [], 0
            for number, exam in enumerate(exams_of(vendor, n + WARM_UP_EXAMS)):
                for view in exam.views():
                    start = time.process_time()
                    image = render(view, rows, columns, 2.0)
                    drawn = time.process_time()
                    file = encode_view(image, exam, view, "2.25.1", 1)
                    encoded = time.process_time()
                    if number >= WARM_UP_EXAMS:
                        drawing.append(1e3 * (drawn - start))
                        encoding.append(1e3 * (encoded - drawn))
                        size = len(file)
            print(
                f"{rows:5d} x {columns:3d} {vendor:>8} {np.mean(drawing):8.2f} "
                f"{np.quantile(drawing, 0.9):6.2f} {np.mean(encoding):9.2f} {size:8d}"
            )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()

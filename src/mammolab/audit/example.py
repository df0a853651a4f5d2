"""A small cohort table made by formula, to show the form, with faults to be found; nobody in it exists."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import NormalDist

from mammolab.clinic.example import STEPS

N_EXAMS = 900
CANCER_EVERY = 6  # enriched, and told so by no weight: a fault to be found
HEADER = (
    "patient_id", "exam_id", "split", "cancer", "exam_date", "diagnosis_date", "follow_up_days",
    "site", "device", "age_years", "density", "implant", "recalled", "score", "probability",
    "synthetic",
)  # fmt: skip


def audit_example_rows() -> list[tuple]:
    """Rows of the example, the header first: always the same.

    Faults: one in six exams has cancer; cancers come from both devices, nearly all others from
    north; every fiftieth patient is in train and in test.
    """
    normal = NormalDist()

    def even(name: str, k: int) -> float:
        return (0.5 + k * STEPS[name]) % 1 * 0.999 + 0.0005

    rows: list[tuple] = [HEADER]
    for k in range(N_EXAMS):
        cancer = k % CANCER_EVERY == 0
        patient = k // 2 if k % 5 == 1 else k
        north = even("device", k) < (0.5 if cancer else 0.9)
        split = "test" if k % 2 else "train"
        if patient % 50 and patient != k:
            split = "train" if patient % 2 == 0 else "test"
        taken = date(2012, 1, 10) + timedelta(days=int(2500 * even("density", k)))
        seen = normal.inv_cdf(even("score", k)) + (1.8 if cancer else 0.0)
        probability = normal.cdf(0.8 * seen - 1.6)
        rows.append(
            (
                f"EXAMPLE-{patient:04d}",
                f"EXAMPLE-{patient:04d}-{k:04d}",
                split,
                int(cancer),
                taken.isoformat(),
                (taken + timedelta(days=int(20 + 300 * even("noise", k)))).isoformat()
                if cancer
                else "",
                int(400 + 1500 * even("recall", k)),
                "city" if even("noise", k) < 0.5 else "coast",
                "north" if north else "south",
                int(45 + 30 * even("recall", 3 * k)),
                "abcd"[sum(even("density", 7 * k) > cut for cut in (0.1, 0.5, 0.9))],
                int(even("noise", 5 * k) < 0.03),
                int(even("recall", k) < (0.85 if cancer else 0.10)),
                f"{seen:.3f}",
                f"{probability:.4f}",
                "yes",
            )
        )
    return rows

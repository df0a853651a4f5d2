"""Exams whose exports hold every kind of object, for the tests of the export."""

from datetime import date
from pathlib import Path

from mammolab.world.dicom_export import instance_uid, write_exam
from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.pacs_extras import Instance, plan
from mammolab.world.vendors import VENDORS

SETTINGS = (128, 104, 2.0)  # rows, columns, conspicuity
RATE = 100.0  # of extras
N_EXAMS = 10
IMAGES = ("standard", "repeat", "partial", "displaced", "extra", "spot", "magnified", "raw")


def exam_of(number: int, **changes) -> ExamPixels:
    """An exam; every fifth has implants, every third large breasts."""
    known = {
        "exam_id": f"E{number:05d}",
        "patient_id": f"P{number:05d}",
        "exam_date": date(2014, 5, 6),
        "age_years": 58.7,
        "birth_year": 1955,
        "vendor": list(VENDORS)[number % len(VENDORS)],
        "site": "north",
        "implant": number % 5 == 0,
        "breast_seed": number,
        "exam_seed": number + 4000,
        "percent_density": 0.3,
        "breast_size_mm": 108.0 if number % 3 == 0 else 80.0,
        "texture": 0.4,
    }
    return ExamPixels(**(known | changes))


def write_tree(folder: Path) -> None:
    """Export the exams."""
    for number in range(N_EXAMS):
        write_exam(folder, exam_of(number), *SETTINGS, extra_rate=RATE)


def planned() -> dict[str, tuple[ExamPixels, Instance]]:
    """The objects of that export by the path that each should have."""
    return {
        f"{exam.patient_id}/{exam.exam_id}/{instance_uid(exam, instance, *SETTINGS)}.dcm": (
            exam,
            instance,
        )
        for exam in map(exam_of, range(N_EXAMS))
        for instance in plan(exam, RATE)
    }

"""What is known of an exam when its images are drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd

from mammolab.world.anatomy import SIDES, VIEWS
from mammolab.world.lesions import Lesion
from mammolab.world.render import BreastView
from mammolab.world.vendors import vendor_key

EXAM_COLUMNS = (
    "exam_id", "patient_id", "exam_date", "age_years", "device", "site", "birth_year", "implant",
    "breast_seed", "exam_seed", "percent_density", "breast_size_mm", "texture",
    "extra_marker",
)  # fmt: skip
RUN_COLUMNS = (
    "exam_id", "patient_id", "exam_date", "age_years", "device", "site", "implant",
)  # fmt: skip
LESION_COLUMNS = (
    "exam_id", "laterality", "kind", "diameter_mm", "depth", "height", "seed", "malignant",
    "contrast",
)  # fmt: skip


@dataclass(frozen=True)
class ExamPixels:
    """One exam whose views are to be drawn and written."""

    exam_id: str
    patient_id: str
    exam_date: date
    age_years: float
    birth_year: int
    vendor: str  # key of VENDORS on the day of the exam
    site: str
    implant: bool
    breast_seed: int
    exam_seed: int
    percent_density: float
    breast_size_mm: float
    texture: float
    lesions_left: tuple[Lesion, ...] = ()
    lesions_right: tuple[Lesion, ...] = ()
    extra_marker: bool = False  # a second lead marker on each view

    def views(self) -> Iterator[BreastView]:
        """The four standard views: R CC, L CC, R MLO, L MLO."""
        for view in VIEWS:
            for laterality in reversed(SIDES):
                yield BreastView(
                    breast_seed=self.breast_seed,
                    exam_seed=self.exam_seed,
                    laterality=laterality,
                    view=view,
                    percent_density=self.percent_density,
                    breast_size_mm=self.breast_size_mm,
                    texture=self.texture,
                    implant=self.implant,
                    vendor=self.vendor,
                    lesions=self.lesions_left if laterality == "L" else self.lesions_right,
                    extra_marker=self.extra_marker,
                )


def exams_of(exams: pd.DataFrame, lesions: pd.DataFrame) -> list[ExamPixels]:
    """Turn the two frames of `dicom_export.export_pixels` into one object an exam.

    Raises
    ------
    ValueError
        If a column is missing; the message names the frame and the columns.
    """
    _check_columns(exams, "exams", EXAM_COLUMNS)
    _check_columns(lesions, "lesions", LESION_COLUMNS)
    found: dict[tuple[str, str], list[Lesion]] = {}
    for row in lesions[lesions["exam_id"].isin(exams["exam_id"])].itertuples(index=False):
        lesion = Lesion(
            str(row.kind), float(row.diameter_mm), float(row.depth), float(row.height),
            int(row.seed), bool(row.malignant), float(row.contrast),
        )  # fmt: skip
        found.setdefault((str(row.exam_id), str(row.laterality)), []).append(lesion)
    vendors = vendor_key(exams["device"].to_numpy(object), pd.to_datetime(exams["exam_date"]))
    return [
        ExamPixels(
            exam_id=str(row.exam_id),
            patient_id=str(row.patient_id),
            exam_date=pd.Timestamp(row.exam_date).date(),
            age_years=float(row.age_years),
            birth_year=int(row.birth_year),
            vendor=str(vendor),
            site=str(row.site),
            implant=bool(row.implant),
            breast_seed=int(row.breast_seed),
            exam_seed=int(row.exam_seed),
            percent_density=float(row.percent_density),
            breast_size_mm=float(row.breast_size_mm),
            texture=float(row.texture),
            lesions_left=tuple(found.get((str(row.exam_id), "L"), ())),
            lesions_right=tuple(found.get((str(row.exam_id), "R"), ())),
            extra_marker=bool(row.extra_marker),
        )
        for row, vendor in zip(exams.itertuples(index=False), vendors, strict=True)
    ]


def exams_of_run(exams: pd.DataFrame, patients: pd.DataFrame, truth_exams: pd.DataFrame,
                 truth_lesions: pd.DataFrame) -> list[ExamPixels]:  # fmt: skip
    """Return exams as they were drawn, from the tables that a run leaves behind.

    Parameters
    ----------
    exams : rows of the table `exams`, or of `cohort`.
    patients : table `patients`; gives birth_year.
    truth_exams, truth_lesions : the world's hidden state.

    Returns
    -------
    list of ExamPixels
        In the order of `exams`, with all their lesions, benign ones too. Extra lead markers are
        left out: they lie in the air, and the tables do not tell which exams carry one.

    Raises
    ------
    ValueError
        If an exam has no row in `truth_exams` or its woman none in `patients`, or a column is
        missing; the message names the first ones.
    """
    _check_columns(exams, "exams", RUN_COLUMNS)
    _check_columns(patients, "patients", ("patient_id", "birth_year"))
    _check_columns(truth_exams, "truth_exams", ("exam_id", "patient_id", "exam_seed"))
    joined = (
        exams[list(RUN_COLUMNS)]
        .merge(
            truth_exams.drop(columns="patient_id"), on="exam_id", how="left", validate="one_to_one"
        )
        .merge(patients[["patient_id", "birth_year"]], on="patient_id", how="left")
    )
    unknown = joined.loc[joined[["exam_seed", "birth_year"]].isna().any(axis=1), "exam_id"]
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} of {len(exams)} exams are not in the truth and the patients given, "
            f"first: {', '.join(unknown.head())}"
        )
    return exams_of(joined.assign(extra_marker=False), truth_lesions)


def _check_columns(frame: pd.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(f"{name} lacks the columns {', '.join(missing)}")

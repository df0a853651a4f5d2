"""A cohort as the CSV that Mirai validates on: one row an image, four views an exam."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from mammolab.data.outcomes import CANCER
from mammolab.data.splits import check_split
from mammolab.errors import InputError
from mammolab.files import write_whole
from mammolab.schemas import check, describe_rows

COLUMNS = (
    "patient_id",
    "exam_id",
    "laterality",
    "view",
    "file_path",
    "years_to_cancer",
    "years_to_last_followup",
    "split_group",
)
NO_CANCER = 100  # Mirai's code for "no cancer in the observed data"
MAX_FOLLOW_UP_YEARS = 5  # Mirai's horizon
STANDARD = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
# A file named by its UID alone has dots and no ending: only these are replaced.
ENDINGS = (".dcm", ".dicom", ".png", ".pgm")


@dataclass(frozen=True, eq=False)
class MiraiExport:
    """What Mirai is given, and what it is not.

    Attributes
    ----------
    rows : DataFrame with `COLUMNS`, sorted by exam and view; exactly four rows an exam.
    flow : table `flow`: what was left out of the cohort and why.
    """

    rows: pd.DataFrame
    flow: pd.DataFrame


def mirai_export(
    cohort: pd.DataFrame,
    outcomes: pd.DataFrame,
    index: pd.DataFrame,
    root: Path,
    suffix: str = ".png",
) -> MiraiExport:
    """Lay a cohort out for Mirai, leaving out by name what Mirai would drop in silence.

    Parameters
    ----------
    cohort, outcomes, index : tables `cohort`, `outcomes`, `dicom_index`. Of several accepted images
        of one view the first in the index is taken, as Mirai would take the first in the file.
    root : absolute folder under which the files of `index.path` lie.
    suffix : the files' ending once converted; Mirai reads 16-bit PNG, not DICOM.

    Returns
    -------
    MiraiExport

    Raises
    ------
    InputError : root is relative; a patient is in two splits; an exam of the cohort has no outcome,
        or two; an id or a path holds a character that Mirai would strip (not ASCII) or that its
        result cannot be joined on (a tab); or no exam is left.

    Notes
    -----
    years_to_cancer is the whole years from the exam to the first cancer, rounded down, 0 where it
    was found by the exam, 100 where none was seen; years_to_last_followup is the whole years known
    free of cancer, so that for a positive exam both are the same. Death ends follow-up: Mirai
    knows no competing event. The label is the woman's, not the breast's. Mirai keeps an exam when
    0 <= years_to_cancer < 5 or years_to_last_followup > 0; the others are left out here.

    References
    ----------
    Yala et al. 2021, doi:10.1126/scitranslmed.aba4373; the columns are those of the README of
    github.com/yala/Mirai.
    """
    if not Path(root).is_absolute():
        raise InputError(f"{root}: Mirai needs absolute paths, so the folder must be absolute.")
    check_split(cohort)
    exams = _with_years(cohort, outcomes)
    files = _one_a_view(index, Path(root), suffix)
    rows = exams.merge(files, on="exam_id")
    n_views = exams["exam_id"].map(rows.groupby("exam_id").size()).fillna(0)
    kept_by_mirai = (exams["years_to_cancer"] < MAX_FOLLOW_UP_YEARS) | (
        exams["years_to_last_followup"] > 0
    )
    flow = _flow(exams, files, n_views.to_numpy(), kept_by_mirai.to_numpy())
    exam_ids = exams.loc[(n_views == len(STANDARD)) & kept_by_mirai, "exam_id"]
    rows = rows[rows["exam_id"].isin(exam_ids)]
    if not len(rows):
        raise InputError(
            f"{root}: no exam is left for Mirai: of {len(exams)} exams, {(n_views < 4).sum()} lack "
            f"one of the four views and {(~kept_by_mirai).sum()} were followed for less than a year."
        )
    _refuse_characters(rows)
    rows = rows.sort_values(["exam_id", "laterality", "view"], ignore_index=True)
    return MiraiExport(rows[list(COLUMNS)], check(flow, "flow", "export to Mirai"))


def write_mirai_csv(rows: pd.DataFrame, path: Path) -> None:
    """Write the rows where Mirai will read them as CSV.

    Raises
    ------
    InputError : the path does not hold "csv", or holds "json", by which Mirai tells the format.
    """
    name = str(path)
    if "csv" not in name or "json" in name:
        raise InputError(
            f"{name}: Mirai tells the format by the path, which must hold 'csv' and not 'json'."
        )
    write_whole(Path(path), lambda temporary: rows.to_csv(temporary, index=False))


def _with_years(cohort: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Exams with Mirai's two whole numbers of years."""
    n_outcomes = cohort["exam_id"].map(outcomes["exam_id"].value_counts()).fillna(0)
    wrong = (n_outcomes != 1).to_numpy()
    if wrong.any():
        raise InputError(
            f"outcomes: an exam needs exactly one row; it is not so for "
            f"{describe_rows(cohort, wrong, ('exam_id',))}."
        )
    exams = cohort[["exam_id", "patient_id", "split"]].merge(
        outcomes[["exam_id", "time_years", "event"]], on="exam_id"
    )
    years = np.floor(exams["time_years"]).astype(int)
    return exams.assign(
        years_to_cancer=years.where(exams["event"] == CANCER, NO_CANCER),
        years_to_last_followup=years,
        split_group=exams["split"],
    )


def _one_a_view(index: pd.DataFrame, root: Path, suffix: str) -> pd.DataFrame:
    """The first accepted image of each standard view, with the path Mirai is to open."""
    views = zip(index["laterality"], index["view"], strict=True)
    standard = np.array([view in STANDARD for view in views], dtype=bool)
    accepted = index[(index["status"] == "ok") & standard]
    first = accepted.drop_duplicates(["exam_id", "laterality", "view"])
    paths = [str(root / _renamed(PurePath(path), suffix)) for path in first["path"]]
    return first[["exam_id", "laterality", "view"]].assign(file_path=paths)


def _renamed(path: PurePath, suffix: str) -> PurePath:
    stem = path.stem if path.suffix.lower() in ENDINGS else path.name
    return path.with_name(stem + suffix)


def _flow(
    exams: pd.DataFrame, files: pd.DataFrame, n_views: np.ndarray, kept_by_mirai: np.ndarray
) -> pd.DataFrame:
    """What each reason removes from what was left."""
    steps = (
        ("exams of the cohort", np.ones(len(exams), bool), ""),
        ("with an image", n_views > 0, "no accepted image of a standard view"),
        (
            "with all four views",
            n_views == len(STANDARD),
            "one of the four standard views is missing",
        ),
        (
            "kept by Mirai",
            kept_by_mirai,
            "no cancer within five years, and followed for less than one",
        ),
    )
    keep, rows = np.ones(len(exams), bool), []
    for step, passes, reason in steps:
        removed = int((keep & ~passes).sum())
        keep = keep & passes
        left = exams[keep]
        rows.append(
            {
                "step": step,
                "n_patients": left["patient_id"].nunique(),
                "n_exams": len(left),
                "n_images": int(files["exam_id"].isin(left["exam_id"]).sum()),
                "n_removed_exams": removed,
                "reason": reason,
            }
        )
    return pd.DataFrame(rows)


def _refuse_characters(rows: pd.DataFrame) -> None:
    for column in ("patient_id", "exam_id", "file_path"):
        unsafe = rows[column].map(lambda text: not text.isascii() or "\t" in text).to_numpy()
        if unsafe.any():
            raise InputError(
                f"column {column} holds {rows[column][unsafe].iloc[0]!r} for "
                f"{describe_rows(rows, unsafe, ('exam_id',))}; Mirai strips what is not ASCII and "
                f"joins ids by a tab: rename."
            )

"""A finished image store: its array of model inputs, and what it means for the cohort's exams."""

from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError, MissingInput
from mammolab.schemas import IDS_SHOWN, check

MOST_LOST = 0.05  # share of exams with a weight that may lack images (assumption)


def open_store(path: str | Path) -> np.memmap:
    """Open an image store for reading, without loading it.

    Returns
    -------
    uint8 memory map, shape (n, rows, columns); table `images` says which row is which image.

    Raises
    ------
    MissingInput : the file does not exist.
    InputError : the file is no uint8 array of three dimensions.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInput(f"{path}: the image store does not exist.")
    try:
        store = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a readable image store ({error}).") from None
    if store.ndim != 3 or store.dtype != np.uint8:
        raise InputError(
            f"{path}: holds {store.dtype} of shape {store.shape}, not uint8 n x H x W."
        )
    return store


def check_images_of_weighted_exams(cohort: pd.DataFrame, index: pd.DataFrame) -> None:
    """Stop where many exams carry a sampling weight and have no image.

    The weights would then stand for exams that no analysis sees. A few may lose all their files.

    Parameters
    ----------
    cohort, index : tables `cohort` and `dicom_index`.

    Raises
    ------
    InputError : more than one exam in twenty with a weight has no accepted file.
    """
    weighted = cohort[cohort["has_pixels"]]
    accepted = set(index.loc[index["status"] == "ok", "exam_id"])
    without = weighted.loc[~weighted["exam_id"].isin(accepted), "exam_id"]
    if len(without) > MOST_LOST * len(weighted):
        raise InputError(
            f"ehr/exams.csv: column sampling_weight is given for {len(weighted)} exams of the cohort, "
            f"but {len(without)} of them have no usable image, among them "
            f"{', '.join(without[:IDS_SHOWN])}{why_none(index)}; leave it blank where no pixels "
            "were pulled."
        )


def why_none(index: pd.DataFrame) -> str:
    """What an index says of why exams have no image, as the end of a sentence.

    The most frequent reason, where more files were rejected than not; else an exam that files
    name, since ids are then likely of another kind.
    """
    rejected = index.loc[index["status"] == "rejected", "reason"]
    if 2 * len(rejected) > len(index):
        often = rejected.value_counts()
        return f"; {often.iloc[0]} of {len(index)} files are left out as {often.index[0]!r}"
    named = index.loc[index["status"] == "ok", "exam_id"]
    return f"; files name exams such as {named.iloc[0]}" if len(named) else ""


def views_per_exam(images: pd.DataFrame) -> pd.DataFrame:
    """How complete each exam is.

    Parameters
    ----------
    images : table `images`.

    Returns
    -------
    exam_id, n_images, n_views (of the four L/R x CC/MLO), complete (bool: all four); exams with
    at least one converted image.
    """
    converted = images[images["status"] == "ok"]
    grouped = converted.assign(which=converted["laterality"] + converted["view"]).groupby("exam_id")
    views = grouped.agg(n_images=("image_id", "size"), n_views=("which", "nunique")).reset_index()
    return views.assign(complete=views["n_views"] == 4)


def extend_flow(
    cohort_flow: pd.DataFrame, cohort: pd.DataFrame, index: pd.DataFrame, images: pd.DataFrame
) -> pd.DataFrame:
    """Add the image steps to the cohort's flow.

    Parameters
    ----------
    cohort_flow, cohort, index, images : tables of those names (index is `dicom_index`).

    Returns
    -------
    Table `flow`. n_exams falls by n_removed_exams from row to row; n_images starts with the files
    found and falls by the number that stands first in the reason.
    """
    steps = cohort_flow.to_dict("records")
    n_images: int | None = None

    def add(step: str, exams: pd.Series, reason: str) -> None:
        left = cohort[cohort["exam_id"].isin(exams)]
        steps.append(
            {
                "step": step,
                "n_patients": left["patient_id"].nunique(),
                "n_exams": len(left),
                "n_images": n_images,
                "n_removed_exams": steps[-1]["n_exams"] - len(left),
                "reason": reason,
            }
        )

    pulled = cohort.loc[cohort["has_pixels"], "exam_id"]
    n_images = len(index)
    add("pixels pulled from the archive", pulled, "no pixels were pulled for the others (sampling)")
    rejected = index[index["status"] == "rejected"]
    kinds = rejected["reason"].str.split(":").str[0].value_counts(sort=False).sort_index()
    for kind, count in kinds.items():
        n_images -= count
        add(f"files rejected: {kind}", pulled, f"{count} files")
    n_images = len(images)
    others = len(index) - len(rejected) - len(images)
    add("images of the cohort", pulled, f"{others} images belong to exams outside the cohort")
    converted = images[images["status"] == "ok"]
    n_images = len(converted)
    present = pulled[pulled.isin(converted["exam_id"])]
    add(
        "images converted",
        present,
        f"{len(images) - len(converted)} images did not convert; exams left without images are lost",
    )
    incomplete = int((~views_per_exam(converted)["complete"]).sum())
    add("exams for analysis", present, f"{incomplete} exams with fewer than four views are kept")
    return check(pd.DataFrame(steps), "flow", "image steps of the flow")

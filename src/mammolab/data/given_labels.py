"""Labels that come with a public data set, by breast, brought to exams."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.data.splits import assign_split
from mammolab.data.tables import PublicSet, RawExport
from mammolab.schemas import COLUMNS, SPLITS, check

SIDES = {"": "", "L": "L", "R": "R", "LR": "B"}


def label_given(exams: pd.DataFrame, public: PublicSet) -> pd.DataFrame:
    """Add to each exam what the labels of its breasts say.

    An exam is positive if one of its breasts is, or if it is told of the exam alone, without a
    side. It is negative if no breast is positive and at least one is labelled: the other may be
    unlabelled, and its images are then of no use (`labelled_laterality`).

    Parameters
    ----------
    exams : table `exams`.
    public : its `labels` hold a row a breast, its `sideless` the exams told without a side.

    Returns
    -------
    `exams` with labelled (bool: whether anything is told), labelled_laterality ("", "L", "R", "B":
    the breasts that are told), cancer_within_1y, cancer_laterality ("" where unknown or none),
    invasive (any; missing where a cancer's kind is not told), days_to_diagnosis and size_mm
    (unknown).
    """
    labels = public.labels
    told = labels[labels["cancer"] != ""]
    positive = told[told["cancer"] == "1"]
    kind = positive["invasive"].map({"1": True, "0": False, "": None}).astype("boolean")
    by_exam = kind.groupby(positive["exam_id"])
    # any, as three-valued logic has it: unknown unless one is invasive or none is unknown
    known = by_exam.any() | (by_exam.count() == by_exam.size())
    invasive = by_exam.any().astype("boolean").where(known)
    cancer_laterality = _sides(exams, positive)
    cancer = (cancer_laterality != "") | exams["exam_id"].isin(public.sideless)
    return exams.assign(
        labelled=exams["exam_id"].isin(told["exam_id"]) | cancer,
        labelled_laterality=_sides(exams, told),
        cancer_within_1y=cancer,
        cancer_laterality=cancer_laterality,
        days_to_diagnosis=np.nan,
        invasive=exams["exam_id"].map(invasive).astype("boolean").where(cancer, False),
        size_mm=np.nan,
    )


def _sides(exams: pd.DataFrame, breasts: pd.DataFrame) -> pd.Series:
    """The sides of each exam among rows of breasts, as `SIDES` writes them."""
    joined = breasts.groupby("exam_id")["laterality"].agg(lambda sides: "".join(sorted(set(sides))))
    return exams["exam_id"].map(joined.map(SIDES)).astype(object).fillna("")


def no_diagnoses() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables as of `cohort.find_diagnoses` where labels are given: nothing is linked."""
    linkage = ["source", "n_rows", "n_benign", "n_unlinked", "n_unknown_patient", "n_used"]
    empty = pd.DataFrame(columns=list(COLUMNS["diagnoses"]))
    return check(empty, "diagnoses", "diagnoses"), pd.DataFrame(columns=linkage)


def image_weights(raw: RawExport) -> pd.Series:
    """The sampling weight of each exam of an export, missing where it has no images.

    Where no exam of a public data set has a weight, each that has an image in use weighs one: the
    weights then stand for the collection, and what its share of cancers enters is refused.
    """
    weight = raw.exams["sampling_weight"]
    if raw.public is None:
        return weight
    images = raw.public.images
    has_image = raw.exams["exam_id"].isin(images.loc[images["use"] == "1", "exam_id"])
    return (weight if weight.notna().any() else weight.fillna(1.0)).where(has_image)


def published_split(exams: pd.DataFrame, public: PublicSet, fractions: dict, salt: str):
    """Assign each exam the part of the split that the owners of a data set gave its woman.

    Where they gave train, dev and test, these are kept. Where they gave a test set and no dev, their
    test women are kept and the others divided into train and dev by the hash of
    `splits.assign_split`, in the same proportion. Women of whom nothing is told are divided by the
    hash as elsewhere.

    Parameters
    ----------
    exams : columns exam_id and patient_id.
    public : its labels give the split by breast, some of it "test"; a woman is in one part alone
        (checked by `mammolab adapt`).
    fractions, salt : see `splits.assign_split`.

    Returns
    -------
    Object array of str, shape (n_exams,).
    """
    hashed = assign_split(exams["patient_id"], fractions, salt)
    labels = public.labels
    patient = labels["exam_id"].map(exams.set_index("exam_id")["patient_id"])
    by_woman = labels.loc[labels["split"] != "", "split"].groupby(patient).first()
    told = exams["patient_id"].map(by_woman)
    if set(by_woman) == set(SPLITS):
        return told.fillna(pd.Series(hashed, index=exams.index)).to_numpy(object)
    share = fractions["train"] / (fractions["train"] + fractions["dev"])
    others = assign_split(
        exams["patient_id"], {"train": share, "dev": 1 - share, "test": 0.0}, salt
    )
    rest = np.where(told.notna(), others, hashed)
    return np.where(told == "test", "test", rest).astype(object)

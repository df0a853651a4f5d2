"""Who is inconvenient to a study: hard to read, or hard to follow; as far as the tables tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.pitfalls.collection import DENSE, LABEL

REASONS = {
    "implant": "implants",
    "dense": "dense breasts",
    "small_breast": "small breasts",
    "poor_follow_up": "poor follow-up",
}
BREAST_GREY = 12  # a pixel above this, of 255, is breast: air and noise lie below (assumption)


@dataclass(frozen=True, eq=False)
class Inconvenient:
    """Which exams one would rather not have, and why.

    Attributes
    ----------
    flags : DataFrame of bool
        A row an exam, a column a reason (keys of `REASONS`).
    skipped : dict of str to str
        Reasons that the data cannot tell, and what they lack.
    """

    flags: pd.DataFrame
    skipped: dict[str, str]

    @property
    def any(self) -> NDArray[np.bool_]:
        """Whether any reason holds, shape (n_exams,)."""
        return self.flags.to_numpy(bool).any(axis=1)


def breast_area_cm2(store: np.ndarray, images: pd.DataFrame) -> pd.Series:
    """Area of the breast's outline in the pictures of each exam, the mean over its views.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    images : DataFrame
        Rows of the table `images` with a `row`: exam_id, row, spacing_mm.

    Returns
    -------
    Series of float
        In cm2, by exam_id; NaN where no view tells how large its pixels are.
    """
    images = images[images["row"].notna()].sort_values("row")
    filled = np.array(
        [np.count_nonzero(store[row] > BREAST_GREY) for row in images["row"].astype(int)], float
    )
    area = pd.Series(filled * images["spacing_mm"].to_numpy() ** 2 / 100, images["exam_id"])
    return area.groupby(level=0).mean()


def inconvenient(
    exams: pd.DataFrame,
    outcomes: pd.DataFrame | None = None,
    area_cm2: pd.Series | None = None,
    least_follow_up_years: float = 2.0,
    small_share: float = 0.2,
) -> Inconvenient:
    """Say which exams would usually be left out, as far as the tables tell.

    Parameters
    ----------
    exams : DataFrame
        Rows of the table `cohort`; implant and density may be absent.
    outcomes : DataFrame, optional
        The table `outcomes`: exams without cancer and not seen for `least_follow_up_years` are
        poorly followed.
    area_cm2 : Series, optional
        As from `breast_area_cm2`.
    least_follow_up_years : float
    small_share : float in (0, 1)
        A breast is small if its area is among the smallest so many, by weight.

    Returns
    -------
    Inconvenient
        A missing density or area is no reason to leave an exam out.

    Raises
    ------
    InputError
        If no reason can be told at all.
    """
    found, skipped = {}, {}
    if "implant" not in exams or not exams["implant"].any():
        skipped["implant"] = "no exam is known to have one"
    else:
        found["implant"] = exams["implant"].to_numpy(bool)
    if "density" not in exams or exams["density"].isna().all():
        skipped["dense"] = "no exam's density is known"
    else:
        found["dense"] = exams["density"].isin(DENSE).to_numpy()
    area = None if area_cm2 is None else exams["exam_id"].map(area_cm2).to_numpy(float)
    if area is None or np.isnan(area).all():
        skipped["small_breast"] = "no picture's area is known"
    else:
        found["small_breast"] = area <= _weighted_quantile(
            area, exams["sampling_weight"], small_share
        )
    if outcomes is None:
        skipped["poor_follow_up"] = "there is no follow-up"
    else:
        by_exam = outcomes.set_index("exam_id").reindex(exams["exam_id"])
        short = by_exam["time_years"] < least_follow_up_years
        found["poor_follow_up"] = (short & (by_exam["event"] != 1)).to_numpy() & ~exams[
            LABEL
        ].to_numpy(bool)
    if not found:
        raise InputError(
            "No reason to leave an exam out can be told: the exams have neither implant nor "
            "density, and neither areas nor outcomes are given."
        )
    return Inconvenient(pd.DataFrame(found), skipped)


def _weighted_quantile(values: NDArray, weight: pd.Series, share: float) -> float:
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    running = np.cumsum(weight.to_numpy(float)[known][order])
    return float(values[known][order][np.searchsorted(running, share * running[-1])])

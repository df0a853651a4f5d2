"""The women of a test set parted at random: an author's test set, and women nobody has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap

COLUMNS = ("split", "cancer_within_1y", "patient_id", "sampling_weight")


@dataclass(frozen=True, eq=False)
class PartedWomen:
    """Exams, and ways to part their women into the author's test set and fresh women.

    Attributes
    ----------
    label, ids, weight : arrays, shape (n_exams,)
    tested, fresh : PatientBootstrap
        Each row of counts is one parting: 1 for each woman in the part, 0 for the others.
    """

    label: NDArray[np.bool_]
    ids: NDArray
    weight: NDArray[np.float64]
    tested: PatientBootstrap
    fresh: PatientBootstrap

    @property
    def columns(self) -> tuple[NDArray[np.bool_], NDArray, NDArray[np.float64]]:
        """Label, patient and weight, in the order that metrics take them."""
        return self.label, self.ids, self.weight

    def some_draws(self, which: slice) -> PartedWomen:
        """The same exams with some of the partings."""
        tested, fresh = (
            PatientBootstrap(women.patient_ids, women.counts[which])
            for women in (self.tested, self.fresh)
        )
        return replace(self, tested=tested, fresh=fresh)


def checked_scores(exams: pd.DataFrame, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the scores of several candidates, shape (n_exams, n_candidates).

    Raises
    ------
    InputError
        If the exams lack a column of `COLUMNS` or dev lacks a class, or the scores have another
        shape or a gap.
    """
    if missing := [column for column in COLUMNS if column not in exams]:
        raise InputError(
            f"the exams lack the column(s) {', '.join(missing)}; they need {', '.join(COLUMNS)}."
        )
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(exams) or not values.shape[1]:
        raise InputError(
            f"scores must have one row an exam and one column a candidate, shape ({len(exams)}, k), "
            f"not {values.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("scores must be finite: no exam may lack one.")
    of_dev = exams.loc[exams["split"] == "dev", "cancer_within_1y"]
    if not 0 < of_dev.sum() < len(of_dev):
        raise InputError(
            f"dev holds {int(of_dev.sum())} exams followed by cancer among {len(of_dev)}; a choice "
            "on dev needs exams with and without."
        )
    return values


def part_women(
    exams: pd.DataFrame, share: float, n_draws: int, rng: np.random.Generator
) -> PartedWomen:
    """Part the women of test at random, those with cancer and the others in the same proportion.

    Parameters
    ----------
    exams : DataFrame
        With `COLUMNS`; all splits.
    share : float in (0, 1)
        Of the women, that are tested.
    n_draws : int
    rng : numpy Generator
        It is used, not copied.

    Raises
    ------
    InputError
        If the share is not in (0, 1) or n_draws below 1, or a part would hold fewer than two women
        of a class.
    """
    if not 0 < share < 1:
        raise InputError(f"test_share must lie between 0 and 1 (exclusive), not {share}.")
    if n_draws < 1:
        raise InputError(f"n_draws must be at least 1, not {n_draws}.")
    test = exams[exams["split"] == "test"]
    label, ids = test["cancer_within_1y"].to_numpy(bool), test["patient_id"].to_numpy()
    has_cancer = pd.Series(label, index=ids).groupby(level=0).any()
    tested = np.zeros((n_draws, len(has_cancer)), dtype=np.uint8)
    for truth, kind in ((True, "with"), (False, "without")):
        women = np.flatnonzero(has_cancer.to_numpy() == truth)
        n_tested = round(share * len(women))
        if min(n_tested, len(women) - n_tested) < 2:
            raise InputError(
                f"the test set holds {len(women)} women {kind} cancer; a test set of {share:.0%} of "
                "them, and the rest, must each hold two."
            )
        drawn = rng.permuted(np.tile(women, (n_draws, 1)), axis=1)[:, :n_tested]
        np.put_along_axis(tested, drawn, 1, axis=1)
    women_ids = has_cancer.index.to_numpy()
    weight = test["sampling_weight"].to_numpy(float)
    parts = (PatientBootstrap(women_ids, part) for part in (tested, 1 - tested))
    return PartedWomen(label, ids, weight, *parts)

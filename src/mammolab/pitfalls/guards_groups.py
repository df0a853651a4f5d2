"""Guards on groups of women: does the mean hide one, and are there cancers enough to know?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_scores
from mammolab.evaluate.gaps import auc_gaps
from mammolab.pitfalls._contrasts import LEVEL, draw_bootstrap, judged_gaps, most_telling
from mammolab.pitfalls._exams import check_exams, check_groups, told
from mammolab.pitfalls.verdict import GuardVerdict

AUC_GAP = 0.05  # of a group below everyone else (assumption)


def subgroup_gap(
    score: ArrayLike,
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = AUC_GAP,
) -> GuardVerdict:
    """Ask whether the good mean hides a group in which the score does worse.

    Parameters
    ----------
    score, label, patient_ids, rng, sample_weight
        As for `guards_calibration.threshold_by`.
    groups : DataFrame, n rows
        One column a way of grouping, as categories; a missing value is a category too.
    limit : float
        Above 0.

    Returns
    -------
    GuardVerdict
        statistic: by how much the AUC of the group that falls short most lies below that of
        everyone else. Fires above the limit if p < .05 (max-T over all groups, patient bootstrap).

    Raises
    ------
    InputError
        If no group and its rest have 20 patients and 10 cancers each.

    References
    ----------
    Oakden-Rayner et al. 2020, doi:10.1145/3368555.3384468 (hidden stratification: over 20%
    relative); Seyyed-Kalantari et al. 2021, doi:10.1038/s41591-021-01595-0.
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        score, _, _ = check_scores(score, exams.label, exams.weight)
        table = auc_gaps(
            score,
            exams.label,
            check_groups(groups, len(score)),
            exams.patient,
            exams.weight,
            draw_bootstrap(exams.patient, rng),
        )
    judged = judged_gaps(table, "20 patients and 10 cancers")
    short = -judged["gap"].to_numpy()
    p_values = judged["p_adjusted"].to_numpy()
    at = most_telling(short, np.where(short > 0, p_values, 1.0))
    row, statistic = judged.iloc[at], float(short[at])
    fired = bool(statistic > limit and p_values[at] < LEVEL)
    untold = len(table) - 1 - len(judged)
    message = (
        f"The AUC in {row['subgroup']} is {row['estimate']:.2f} and among the others "
        f"{row['rest']:.2f} (limit {limit:g} below, p = {p_values[at]:.2g}; {untold} groups too "
        "small to tell)" + (": the mean hides it." if fired else ".")
    )
    return GuardVerdict("subgroup_gap", statistic, limit, fired, message)


def cancers_needed(
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    auc: float = 0.85,
    gap: float = 0.10,
    power: float = 0.80,
) -> GuardVerdict:
    """Ask whether the smallest group has cancers enough to know whether the score fails there.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    groups : DataFrame, n rows
        One column a way of grouping, as categories; a missing value is a category too.
    patient_ids : array-like of str, shape (n,)
    auc : float
        Among everyone else.
    gap : float
        The shortfall in AUC that must not go unseen.
    power : float

    Returns
    -------
    GuardVerdict
        statistic: women with cancer in the group with fewest; limit: those needed there. Fires
        below the limit, which is infinite where the others alone are too few.

    Raises
    ------
    InputError
        If auc - gap is not above one half, or no column of groups has two levels.

    Notes
    -----
    Healthy women are many and add nothing to the variance: that of an AUC A from n cancers is then
    (2 A^2 / (1 + A) - A^2) / n (Hanley and McNeil). The test is two-sided at 5% over the number of
    groups (Bonferroni).

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    if not (0.5 <= auc - gap < auc < 1 and 0 < power < 1):
        raise InputError(
            f"auc {auc}, gap {gap} and power {power} do not fit: auc - gap must be at least one "
            "half, auc below 1 and power between 0 and 1."
        )
    exams = check_exams(label, patient_ids, None)
    counts = {
        f"{name}={level}": len(np.unique(exams.patient[exams.label & (levels == level)]))
        for name, levels in check_groups(groups, len(exams.label)).items()
        for level in np.unique(levels)
    }
    smallest = min(counts, key=counts.get)
    rest = len(np.unique(exams.patient[exams.label])) - counts[smallest]
    error = gap / (norm.ppf(1 - LEVEL / 2 / len(counts)) + norm.ppf(power))
    left = error**2 - (_variance_of_one(auc) / rest if rest else np.inf)
    needed = float(np.ceil(_variance_of_one(auc - gap) / left)) if left > 0 else np.inf
    fired = counts[smallest] < needed
    message = (
        f"{counts[smallest]} women with cancer are in {smallest}, and {needed:.0f} are needed to "
        f"see an AUC of {auc - gap:.2f} beside one of {auc:.2f} in {100 * power:.0f} of 100 "
        f"studies that look at {len(counts)} groups" + (": what is not seen may be." * fired or ".")
    )
    return GuardVerdict("cancers_needed", float(counts[smallest]), needed, fired, message)


def _variance_of_one(auc: float) -> float:
    """Variance of an AUC from a single cancer among many healthy women (Hanley and McNeil)."""
    return 2 * auc**2 / (1 + auc) - auc**2

"""Guards on groups of women: does the mean hide one, and are there cancers enough to know?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import multivariate_normal, norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_scores
from mammolab.evaluate.gaps import auc_gaps
from mammolab.pitfalls._contrasts import LEVEL, draw_bootstrap, judged_gaps, most_telling
from mammolab.pitfalls._exams import check_exams, check_groups, told
from mammolab.pitfalls.verdict import GuardVerdict

AUC_GAP = 0.05  # of a group below everyone else (assumption)
_FEWEST_CANCERS, _MOST_CANCERS = 10, 100_000  # fewer are not estimated in any chapter


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
    As `cancers_to_know`, with as many healthy women for each with cancer as there are in all; the
    others have the cancers they have. The test is two-sided at 5% over the number of groups
    (Bonferroni).
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
    n_cancers, n_healthy = (len(np.unique(exams.patient[exams.label == kind])) for kind in (1, 0))
    needed = cancers_to_know(
        auc - gap,
        auc,
        len(counts),
        n_healthy / n_cancers,
        power,
        n_cancers_rest=n_cancers - counts[smallest],
    )
    fired = counts[smallest] < needed
    message = (
        f"{counts[smallest]} women with cancer are in {smallest}, and {needed:.0f} are needed to "
        f"see an AUC of {auc - gap:.2f} beside one of {auc:.2f} in {100 * power:.0f} of 100 "
        f"studies that look at {len(counts)} groups" + (": what is not seen may be." * fired or ".")
    )
    return GuardVerdict("cancers_needed", float(counts[smallest]), needed, fired, message)


def cancers_to_know(
    auc_group: float,
    auc_rest: float,
    n_looks: int = 1,
    healthy_per_cancer: float = 10.0,
    power: float = 0.80,
    level: float = LEVEL,
    n_cancers_rest: float = np.inf,
) -> float:
    """Cancers in a group that show its lower AUC in `power` of studies.

    Parameters
    ----------
    auc_group, auc_rest : float in (0, 1)
        The group's true AUC, below that of everyone else.
    n_looks : int
        Groups looked at; the two-sided level is divided by it (Bonferroni).
    healthy_per_cancer : float
        Women without cancer for each with; a screening programme has 150 or more.
    power, level : float in (0, 1)
    n_cancers_rest : float
        Cancers among everyone else; by default so many that their AUC is known.

    Returns
    -------
    float
        A whole number from 10 up; infinity above 100,000.

    Raises
    ------
    InputError
        If the group's AUC is not below that of the rest, or n_looks is below 1.

    Notes
    -----
    With scores normal and equally spread in both classes, the variance of an AUC of A by n cancers
    and m others is (A (1 - A) + (n + m - 2) (Q - A^2)) / (n m), where Q is the chance that two
    cancers both outrank an exam without (Hanley and McNeil's Q1 and Q2, here equal). Where the
    group is no worse, it has the AUC of the rest. Scores that spread more among cancers need more.

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> cancers_to_know(0.75, 0.85), cancers_to_know(0.80, 0.85)
    (36.0, 134.0)
    """
    if not 0 < auc_group < auc_rest < 1 or n_looks < 1:
        raise InputError(
            "The group's AUC must be below that of the rest, both in (0, 1), and n_looks at least "
            f"1; they are {auc_group}, {auc_rest} and {n_looks}."
        )
    if n_cancers_rest < 1:
        return np.inf
    n = np.arange(float(_FEWEST_CANCERS), _MOST_CANCERS + 1)
    of_rest = _variance(auc_rest, np.array(n_cancers_rest), healthy_per_cancer)
    missed = norm.ppf(1 - level / (2 * n_looks)) * np.sqrt(
        _variance(auc_rest, n, healthy_per_cancer) + of_rest
    )
    missed += norm.ppf(power) * np.sqrt(_variance(auc_group, n, healthy_per_cancer) + of_rest)
    enough = missed <= auc_rest - auc_group
    return float(n[enough.argmax()]) if enough.any() else np.inf


def _variance(auc: float, n_cancers: NDArray[np.float64], per_cancer: float) -> NDArray[np.float64]:
    """Variance of an AUC of binormal scores; 0 for infinitely many cancers."""
    threshold = norm.ppf(auc)
    both = float(multivariate_normal.cdf([threshold, threshold], cov=[[1.0, 0.5], [0.5, 1.0]]))
    of_one = (auc * (1 - auc) - 2 * (both - auc**2)) / (per_cancer * n_cancers**2)
    return of_one + (1 + per_cancer) * (both - auc**2) / (per_cancer * n_cancers)

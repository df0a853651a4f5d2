"""Guard on who was left out of the set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mammolab.errors import InputError
from mammolab.pitfalls._contrasts import LEVEL, group_contrasts, judged_groups, most_telling
from mammolab.pitfalls._exams import check_exams, check_groups, checked_flag, indicators
from mammolab.pitfalls.verdict import GuardVerdict

# Difference in the share left out between a group and everyone else (assumption).
EXCLUSION_GAP = 0.10


def exclusions(
    included: ArrayLike,
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether some groups of women were left out more often than others.

    Parameters
    ----------
    included : array-like of bool, shape (n,)
        Which exams of the whole cohort made it into the set.
    label : array-like of bool, shape (n,)
        Cancers are often all included and the rest sampled: groups are compared at fixed label.
    groups : DataFrame, n rows
        One column a way of grouping (implant, density, age band, follow-up), as categories; a
        missing value is a category too.
    patient_ids : array-like of str, shape (n,)
    rng : numpy Generator
        Draws patients.
    sample_weight : array-like of float, shape (n,), optional

    Returns
    -------
    GuardVerdict
        statistic: how many more (in shares) of the group that differs most are left out than of
        everyone else with the same label; limit: .10. Fires above it if p < .05 (max-T over all
        groups, patient bootstrap); that a group was kept more often fires it as the rest's loss.

    Raises
    ------
    InputError
        If all exams or none are included, no column of groups has two levels, or no group and its
        rest have 20 patients each.
    """
    included = checked_flag(included, "included")
    exams = check_exams(label, patient_ids, sample_weight, both_classes=False)
    if len(included) != len(exams.label):
        raise InputError(
            f"included has {len(included)} rows and label {len(exams.label)}: one for each exam of "
            "the cohort is needed."
        )
    if included.all() or not included.any():
        raise InputError(f"{int(included.sum())} of {len(included)} exams are included: no choice.")
    groups_of, names = indicators(check_groups(groups, len(included)))
    groups_of, names = judged_groups(groups_of, names, exams.patient, exams.weight, "group")
    left_out = (~included).astype(float)
    stratum = exams.label.astype(np.intp)
    # Centred at fixed label, so that a group with more cancers does not look better kept.
    totals = np.bincount(stratum, exams.weight)
    means = np.bincount(stratum, exams.weight * left_out) / np.where(totals > 0, totals, 1)
    centred = left_out - means[stratum]
    spread = np.sqrt(np.average(centred**2, weights=exams.weight))
    found = group_contrasts(
        centred,
        groups_of,
        exams.patient,
        exams.weight,
        rng,
        null_spread=spread,
        null_unit=exams.patient,
    )
    gap = found.gap
    at = most_telling(np.abs(gap), found.p_adjusted)
    statistic = float(abs(gap[at]))
    fired = bool(statistic > EXCLUSION_GAP and found.p_adjusted[at] < LEVEL)
    message = (
        f"At the same label, {100 * statistic:.1f} in 100 exams {'more' if gap[at] > 0 else 'fewer'}"
        f" of {names[at]} than of the others are left out (limit {100 * EXCLUSION_GAP:g}, "
        f"p = {found.p_adjusted[at]:.2g})"
        + (": what holds for those kept is unknown for the others." if fired else ".")
    )
    return GuardVerdict("exclusions", statistic, EXCLUSION_GAP, fired, message)

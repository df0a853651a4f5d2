"""Guards on devices: do scores shift with them, and do features give them away?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_vector
from mammolab.pitfalls._contrasts import LEVEL, group_contrasts, judged_groups, most_telling
from mammolab.pitfalls._cross_validation import (
    N_FOLDS,
    patient_folds,
    principal_components,
    probe_aucs,
)
from mammolab.pitfalls._exams import check_exams, check_levels, told
from mammolab.pitfalls._permutation import N_PERMUTATIONS, blocks_of_others
from mammolab.pitfalls.guards_metadata import METADATA_TOLERANCE
from mammolab.pitfalls.verdict import GuardVerdict

# Standard deviations of the healthy women's scores. A threshold that recalled 48% elsewhere and 13%
# once calibrated there (de Vries 2023) stood off by 1.1; a fifth of one moves 13% to 18%
# (assumption).
SCORE_SHIFT_SD = 0.2


def score_by_device(
    score: ArrayLike,
    device: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = SCORE_SHIFT_SD,
) -> GuardVerdict:
    """Ask whether scores differ between devices among exams with the same outcome.

    One threshold then means another recall rate on each.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        Any scale: only its order is used.
    device : array-like, shape (n,)
        A missing one is a level too.
    label, patient_ids, rng, sample_weight
        As for `guards_prevalence.prevalence_by_source`.
    limit : float
        In standard deviations.

    Returns
    -------
    GuardVerdict
        statistic: the largest distance of a device from all others, healthy exams and cancers
        apart, in standard deviations of the scores of that class. Fires above the limit if
        p < .05 (max-T over devices, patient bootstrap; times two where both classes are judged).

    Raises
    ------
    InputError
        As `guards_prevalence.prevalence_by_source`.

    Notes
    -----
    Scores are replaced by normal scores of their weighted ranks in the class, so that a skewed
    score and its logit give the same verdict. A device and its rest are judged in a class where
    they have 20 patients each.

    References
    ----------
    de Vries et al. 2023, doi:10.1148/ryai.220146 (the same threshold recalled 48.3% in place of
    13.0%, and three times as many after a software upgrade).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        score = check_vector(score, "score", len(exams.label))
    codes, names = check_levels(device, "device", len(score))
    on_device = codes[:, None] == np.arange(len(names))
    effects, p_values, titles, refusals = [], [], [], []
    for truth, kind in ((False, "healthy"), (True, "cancer")):
        rows = np.flatnonzero(exams.label == truth)
        patient, weight = exams.patient[rows], exams.weight[rows]
        try:
            groups, kept = judged_groups(on_device[rows], names, patient, weight, "device")
        except InputError as error:
            refusals.append(error)
            continue
        found = group_contrasts(_normal_scores(score[rows], weight), groups, patient, weight, rng)
        effects.append(found.gap)
        p_values.append(found.p_adjusted)
        titles += [f"{kind} exams on {name}" for name in kept]
    if not effects:
        raise refusals[0]
    p_values = np.minimum(np.concatenate(p_values) * len(p_values), 1)
    effects = np.concatenate(effects)
    at = most_telling(np.abs(effects), p_values)
    statistic = float(abs(effects[at]))
    fired = bool(statistic > limit and p_values[at] < LEVEL)
    message = (
        f"Scores of {titles[at]} lie {statistic:.2f} standard deviations "
        f"{'above' if effects[at] > 0 else 'below'} those on other devices (limit {limit:g}, "
        f"p = {p_values[at]:.2g})"
        + (": one threshold will not do for all devices." if fired else ".")
    )
    return GuardVerdict("score_by_device", statistic, limit, fired, message)


def device_probe(
    features: ArrayLike,
    device: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    tolerance: float = METADATA_TOLERANCE,
    n_permutations: int = N_PERMUTATIONS,
) -> GuardVerdict:
    """Ask how well a network's features tell the device, among exams with the same label.

    What they tell is no fault by itself: pictures of two makers differ. But a head on top of them
    can use it wherever device and label go together.

    Parameters
    ----------
    features : array-like of float, shape (n, k)
    device : array-like, shape (n,)
    label, patient_ids, sample_weight
        As for `guards_prevalence.prevalence_by_source`.
    rng : numpy Generator
        Deals patients to folds and permutes devices.
    tolerance : float
    n_permutations : int

    Returns
    -------
    GuardVerdict
        statistic: AUC of a linear probe, cross-validated over patients, for the device that is told
        best from the others; limit: `tolerance`, or, for a statistic above it, the 95th percentile
        of the same with the patients' devices permuted, among those with a positive row and among
        the others, if that is larger. Fires above the limit.

    Raises
    ------
    InputError
        As `guards_prevalence.prevalence_by_source`, and if there are fewer than five patients.

    References
    ----------
    Badgeley et al. 2019, doi:10.1038/s41746-019-0105-1 (features tell the scanner with an AUC of
    1.00; fractures at .78 fell to .52 once process variables were matched).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(exams.label) or not np.isfinite(table).all():
        raise InputError(
            f"Features must be finite, one row for each of {len(exams.label)} labels; they have "
            f"shape {table.shape}, {int((~np.isfinite(table)).sum())} values not finite."
        )
    codes, names = check_levels(device, "device", len(table))
    groups = codes[:, None] == np.arange(len(names))
    groups, names = judged_groups(groups, names, exams.patient, exams.weight, "device")
    folds = patient_folds(patient_ids, len(table), N_FOLDS, rng)
    components = principal_components(table, exams.weight)
    stratum = exams.label.astype(np.intp)

    def aucs(targets: NDArray[np.bool_]) -> NDArray[np.float64]:
        return probe_aucs(components, targets, stratum, folds, exams.weight)

    observed = aucs(groups)
    at = int(observed.argmax())
    statistic, limit = float(observed[at]), tolerance
    if statistic > tolerance:
        with_cancer = (np.bincount(exams.patient, exams.label) > 0).astype(np.intp)
        chance = [
            aucs(groups[drawn].transpose(1, 0, 2).reshape(len(table), -1))
            .reshape(len(drawn), -1)
            .max(axis=1)
            for drawn in blocks_of_others(exams.patient, n_permutations, rng, with_cancer)
        ]
        limit = max(tolerance, float(np.quantile(np.concatenate(chance), 1 - LEVEL)))
    fired = statistic > limit
    message = (
        f"Features tell {names[at]} from the other devices with an AUC of {statistic:.2f} at fixed "
        f"label (limit {limit:.2f})"
        + (": a head can lean on the device wherever it goes with the label." if fired else ".")
    )
    return GuardVerdict("device_probe", statistic, limit, fired, message)


def _normal_scores(score: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal quantile of each score's weighted rank, ties at their middle."""
    _, level = np.unique(score, return_inverse=True)
    mass = np.bincount(level, weight)
    middle = (np.cumsum(mass) - mass / 2)[level] / weight.sum()
    return norm.ppf(np.clip(middle, 1e-9, 1 - 1e-9))

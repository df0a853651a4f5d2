"""Readers who move their criterion once the healthiest exams are gone, and what that does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from scipy.stats import norm

from mammolab.evaluate.checks import (
    check_flag,
    check_inside,
    check_patients,
    check_scores,
    check_two_classes,
    check_vector,
)
from mammolab.evaluate.decision_curve import Band
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_or_nan,
    sum_replicates,
)


@dataclass(frozen=True, eq=False)
class CriterionCurve:
    """The clinic with triage, by how far its readers move; bands of shape (n_shifts,).

    shift : SD of the readers' evidence; above 0 they recall more.
    sensitivity, specificity : of the clinic, exams ruled out included.
    sensitivity_difference, specificity_difference : that, less the readers without triage.
    prevalence_before, prevalence_after : share of cancers among all exams and among those read.
    rational_shift : what a reader who weighs the odds rightly would do, see `rational_shift`.
    """

    shift: NDArray[np.float64]
    sensitivity: Band
    specificity: Band
    sensitivity_difference: Band
    specificity_difference: Band
    prevalence_before: float
    prevalence_after: float
    rational_shift: float


def shifted_rate(rate: ArrayLike, shift: ArrayLike) -> NDArray[np.float64]:
    """A recall rate after the criterion moved: Phi(Phi^-1(rate) + shift).

    Parameters
    ----------
    rate : array-like of float in [0, 1]
        Of cancers (sensitivity) or of others (false-positive rate); 0 and 1 stay.
    shift : array-like of float
        SD of the evidence; above 0 more is recalled.

    Notes
    -----
    Evidence of equal variance with and without cancer. Rates pooled over readers are taken for
    those of one reader, which understates how far each moves where they differ much.

    References
    ----------
    Green, Swets 1966, Signal Detection Theory and Psychophysics.

    Examples
    --------
    >>> shifted_rate([0.5, 1.0], 1.0).round(4).tolist()
    [0.8413, 1.0]
    """
    return norm.cdf(norm.ppf(np.asarray(rate, dtype=np.float64)) + np.asarray(shift))


def rational_shift(
    prevalence_before: float,
    prevalence_after: float,
    sensitivity: float,
    false_positive_rate: float,
) -> float:
    """How far a reader who weighs the odds rightly would move when prevalence changes, in SD.

    The best criterion on evidence of equal variance lies where the likelihood ratio equals the odds
    against cancer times a cost ratio; with d' = Phi^-1(sensitivity) - Phi^-1(false-positive rate)
    a change of the log odds moves it by that change over d'.

    Examples
    --------
    >>> round(rational_shift(0.005, 0.010, 0.87, 0.11), 3)
    0.297
    """
    for value, name in (
        (prevalence_before, "prevalence_before"),
        (prevalence_after, "prevalence_after"),
        (sensitivity, "sensitivity"),
        (false_positive_rate, "false_positive_rate"),
    ):
        check_inside(value, name, 0, 1)
    apart = norm.ppf(sensitivity) - norm.ppf(false_positive_rate)
    if apart <= 0:
        raise ValueError("these readers tell nothing apart: sensitivity must exceed the other rate")
    return float((logit(prevalence_after) - logit(prevalence_before)) / apart)


def criterion_curve(
    score: ArrayLike,
    rule_out: float,
    shift: ArrayLike,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> CriterionCurve:
    """Sensitivity and specificity of the clinic as its readers move their criterion.

    Triage studies replay the decisions readers took when most exams were healthy. Knowing that the
    healthiest are gone they may recall more; a long list of nothing to find may let them recall
    less.

    Parameters
    ----------
    score, rule_out, recall, label, patient_ids, sample_weight, bootstrap
        As for `triage.simulate_triage`.
    shift : array-like of float, shape (n_shifts,)
        SD; 0 is the clinic as replayed.
    confidence : float
        Of the pointwise percentile intervals, over patients.

    Returns
    -------
    CriterionCurve

    Raises
    ------
    ValueError
        If a class is absent, or all cancers or all others are ruled out.

    Notes
    -----
    `rational_shift` takes how well readers tell cancers from others over all exams; among those
    still read it may differ.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    recall = check_flag(recall, "recall", len(score))
    ids = check_patients(patient_ids, len(score), weight)
    shift = check_vector(shift, "shift")
    read = score >= rule_out
    kinds = np.column_stack(
        [kind & group for group in (label, ~label) for kind in (read & recall, read, recall, True)]
    )
    total = kinds.T @ weight
    if not (total[1] and total[5]):
        raise ValueError(f"no exam of one class is left to read above {rule_out}")
    replicates = sum_replicates(kinds * weight[:, None], ids, bootstrap)
    now, now_each = _with_shift(total, shift), _with_shift(replicates, shift)
    was, was_each = _alone(total), _alone(replicates)

    def band(k: int, minus: bool) -> Band:
        value = now[k] - (was[k][..., None] if minus else 0)
        each = now_each[k] - (was_each[k][:, None] if minus else 0)
        limits = np.array([percentile_interval(at, confidence) for at in each.T])
        return Band(value, limits[:, 0], limits[:, 1])

    before = total[3] / (total[3] + total[7])
    after = total[1] / (total[1] + total[5])
    rates = total[2] / total[3], total[6] / total[7]
    usable = 0 < rates[1] < rates[0] < 1
    return CriterionCurve(
        shift,
        band(0, False),
        band(1, False),
        band(0, True),
        band(1, True),
        float(before),
        float(after),
        rational_shift(before, after, *rates) if usable else float("nan"),
    )


def _with_shift(kinds: NDArray, shift: NDArray) -> tuple[NDArray, NDArray]:
    """Sensitivity and specificity, (..., n_shifts), from the eight sums of `criterion_curve`."""
    kinds = np.asarray(kinds, dtype=np.float64)
    rates = []
    for first in (0, 4):
        recalled, read, _, everyone = (kinds[..., first + k] for k in range(4))
        moved = shifted_rate(ratio_or_nan(recalled, read)[..., None], shift)
        rates.append(ratio_or_nan(read, everyone)[..., None] * moved)
    return rates[0], 1 - rates[1]


def _alone(kinds: NDArray) -> tuple[NDArray, NDArray]:
    """Sensitivity and specificity of the readers without triage."""
    kinds = np.asarray(kinds, dtype=np.float64)
    sensitivity, false_positive = (
        ratio_or_nan(kinds[..., first + 2], kinds[..., first + 3]) for first in (0, 4)
    )
    return sensitivity, 1 - false_positive

"""Rates of a yes/no decision: sensitivity, specificity, PPV, recall rate, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.proportion import proportion_confint

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_patients,
    check_scores,
    check_two_classes,
    check_weight,
    effective_number,
    patient_codes,
)

_STATSMODELS_NAME = {"clopper_pearson": "beta", "wilson": "wilson"}


@dataclass(frozen=True)
class OperatingPoint:
    """Weighted rates of a yes/no decision; NaN where the denominator is empty.

    `ppv` is the share of flagged exams with cancer (PPV1 when the flag is the recall), and
    `flagged_rate` the share of exams flagged (the recall rate).
    """

    sensitivity: float
    specificity: float
    ppv: float
    flagged_rate: float


@dataclass(frozen=True)
class OperatingPointEstimates:
    """As `OperatingPoint`, each rate with its interval."""

    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    flagged_rate: Estimate


def operating_point(
    decision: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> OperatingPoint:
    """Sensitivity, specificity, predictive value and rate of a decision already taken.

    Parameters
    ----------
    decision : array-like of bool, shape (n_exams,)
        True = flagged (recalled, or score at or above a threshold).
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
    """
    decision = check_flag(decision, "decision")
    label = check_flag(label, "label", len(decision))
    weight = check_weight(sample_weight, len(decision))

    def share(event: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        total = weight[among].sum()
        return float(weight[event & among].sum() / total) if total else float("nan")

    everybody = np.ones_like(label)
    return OperatingPoint(
        sensitivity=share(decision, label),
        specificity=share(~decision, ~label),
        ppv=share(label, decision),
        flagged_rate=share(decision, everybody),
    )


def proportion_estimate(
    count: float, n_total: float, method: str = "clopper_pearson", confidence: float = 0.95
) -> Estimate:
    """A proportion of independent units with its `clopper_pearson` (exact) or `wilson` interval.

    Raises
    ------
    ValueError
        If the method is unknown or the count lies outside [0, n_total].

    References
    ----------
    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404; Wilson 1927,
    doi:10.1080/01621459.1927.10502953.
    """
    if method not in _STATSMODELS_NAME:
        raise ValueError(f"method {method!r} is unknown; valid: {', '.join(_STATSMODELS_NAME)}")
    if not 0 <= count <= n_total or n_total == 0:
        raise ValueError(f"count must lie in [0, n_total] and n_total above 0: {count}, {n_total}")
    alpha = 1 - check_inside(confidence, "confidence", 0, 1)
    low, high = proportion_confint(count, n_total, alpha, _STATSMODELS_NAME[method])
    # the exact limits at the two ends, where rounding leaves 1e-17 or the beta quantile is NaN
    low = 0.0 if count == 0 else float(low)
    high = 1.0 if count == n_total else float(high)
    return Estimate(float(count / n_total), low, high)


def clustered_proportion(
    event: ArrayLike,
    among: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    method: str = "wilson",
    confidence: float = 0.95,
) -> Estimate:
    """Weighted share of the exams `among` with the event, patients being the independent units.

    Parameters
    ----------
    event, among : array-like of bool, shape (n_exams,)
        Sensitivity is (flagged, cancer); specificity (not flagged, not cancer).
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability.
    method : {"wilson", "clopper_pearson"}
    confidence : float in (0, 1)

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        If no exam of `among` has a weight above 0, or they are all of one patient.

    Notes
    -----
    The variance of the ratio over patients gives the number n of independent exams of equal weight
    that would be as informative, at most the exams there are, and the interval is that of a
    proportion of n. Where all or none have the event, n is Kish's effective number of patients.
    One exam a patient and equal weights give `proportion_estimate`.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24:193-201; Kish 1965, Survey Sampling.
    """
    event = check_flag(event, "event")
    among = check_flag(among, "among", len(event))
    weight = check_weight(sample_weight, len(event))
    ids = check_patient_ids(patient_ids, len(event))
    used = among & (weight > 0)
    if not used.any():
        raise ValueError("among holds no row of weight above 0")
    event, weight = event[used], weight[used]
    codes, _ = patient_codes(check_patients(ids[used], len(event)))
    if event.all() or not event.any():
        n_effective = effective_number(np.bincount(codes, weight))
        return proportion_estimate(event[0] * n_effective, n_effective, method, confidence)
    value = float(weight @ event / weight.sum())
    deviation = np.bincount(codes, weight * (event - value)) / weight.sum()
    variance = (deviation**2).sum()  # 0 where every patient has the same share
    n_effective = min(value * (1 - value) / variance, len(event)) if variance else len(event)
    return proportion_estimate(value * n_effective, n_effective, method, confidence)


def operating_point_estimates(
    score: ArrayLike,
    threshold: float,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    method: str = "wilson",
    confidence: float = 0.95,
) -> OperatingPointEstimates:
    """Sensitivity, specificity, PPV and flagged rate of `score >= threshold`, with intervals.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    threshold : float
        Chosen on other patients; a threshold chosen on these makes every interval too kind.
    label : array-like of bool, shape (n_exams,)
    patient_ids, sample_weight, method, confidence
        As for `clustered_proportion`.

    Returns
    -------
    OperatingPointEstimates
        The PPV is NaN throughout where nobody is flagged.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    if np.isnan(threshold):
        raise ValueError("threshold is NaN")
    flagged = score >= threshold

    def share(event: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        if not weight[among].any():
            return Estimate(float("nan"), float("nan"), float("nan"))
        return clustered_proportion(event, among, patient_ids, weight, method, confidence)

    return OperatingPointEstimates(
        sensitivity=share(flagged, label),
        specificity=share(~flagged, ~label),
        ppv=share(label, flagged),
        flagged_rate=share(flagged, np.ones_like(label)),
    )
